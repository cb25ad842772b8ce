//! Texture of a block: plain, drawn or filmed.

use serde::{Deserialize, Serialize};

use super::samples::{AREA, SIDE};

/// Largest differences of neighbours that are level, and that form a slope, in levels; more is an
/// edge.
const LEVEL: u8 = 1;
const SLOPE: u8 = 24;

/// Least number of slopes and largest number of edges among the 24 pairs of neighbours in a filmed
/// block.
const SLOPES: u32 = 12;
const EDGES: u32 = 6;

/// Number of edges, and of slopes, below which a block is plain.
const FEW_EDGES: u32 = 3;

/// Texture of a block's content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Texture {
    /// Nearly one colour.
    #[default]
    Plain,
    /// Edges, as of text and lines.
    Drawn,
    /// Slopes, as in camera pictures.
    Filmed,
}

impl Texture {
    /// Returns the texture of a block with these samples.
    pub(crate) fn of(samples: &[u8; AREA]) -> Self {
        let (mut slopes, mut edges) = (0, 0);
        let mut count = |a: u8, b: u8| {
            let step = a.abs_diff(b);
            slopes += u32::from(step > LEVEL && step <= SLOPE);
            edges += u32::from(step > SLOPE);
        };
        for n in 0..AREA {
            if n % SIDE + 1 < SIDE {
                count(samples[n], samples[n + 1]);
            }
            if n + SIDE < AREA {
                count(samples[n], samples[n + SIDE]);
            }
        }
        if slopes >= SLOPES && edges <= EDGES {
            Self::Filmed
        } else if edges >= FEW_EDGES || slopes >= SLOPES {
            Self::Drawn
        } else {
            Self::Plain
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texture_tells_text_film_and_plain_apart() {
        let samples =
            |level: fn(usize) -> usize| std::array::from_fn::<u8, AREA, _>(|n| level(n) as u8);
        assert_eq!(Texture::of(&samples(|_| 80)), Texture::Plain);
        assert_eq!(Texture::of(&samples(|n| 80 + 120 * (n % 2))), Texture::Drawn);
        assert_eq!(Texture::of(&samples(|n| 80 + 9 * (n % 4) + 7 * (n / 4))), Texture::Filmed);
    }
}
