//! Areas of the picture that are ignored, as shares of its width and height.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::grid::Grid;

/// A rectangle, in shares of the picture's width and height.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Area {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Area {
    /// Tells whether any of block `n` lies in it.
    pub(crate) fn holds(&self, grid: Grid, n: usize) -> bool {
        let overlaps = |place: usize, count: usize, from: f64, size: f64| {
            let [begin, end] = [place, place + 1].map(|edge| edge as f64 / count as f64);
            begin < from + size && end > from
        };
        overlaps(n % grid.columns, grid.columns, self.left, self.width)
            && overlaps(n / grid.columns, grid.rows, self.top, self.height)
    }
}

impl FromStr for Area {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shares: Vec<f64> =
            text.split(',').filter_map(|share| share.trim().parse().ok()).collect();
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        match shares[..] {
            [left, top, width, height]
                if text.split(',').count() == 4
                    && shares.iter().all(is_share)
                    && width > 0.0
                    && height > 0.0
                    && left + width <= 1.000_001
                    && top + height <= 1.000_001 =>
            {
                Ok(Self { left, top, width, height })
            }
            _ => Err("must be X,Y,W,H in shares of the picture, as 0.8,0,0.2,0.05 for the right fifth of \
                      the topmost twentieth"
                .to_owned()),
        }
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.left, self.top, self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_holds_the_blocks_that_it_touches() {
        let grid = Grid { columns: 10, rows: 5 };
        let held = |area: &str| -> Vec<usize> {
            let area: Area = area.parse().unwrap();
            (0..50).filter(|&n| area.holds(grid, n)).collect()
        };
        assert_eq!(held("0.8,0,0.2,0.05"), [8, 9]);
        assert_eq!(held("0.05,0.9,0.1,0.1"), [40, 41]);
        assert_eq!(held("0,0,1,1").len(), 50);
    }

    #[test]
    fn area_beyond_the_picture_is_refused() {
        for text in [
            "",
            "0,0,1",
            "0,0,1,1,1",
            "0.5,0,0.6,1",
            "0,0,0,1",
            "a,0,1,1",
            "0,0,NaN,1",
            "-0.1,0,1,1",
        ] {
            assert!(text.parse::<Area>().is_err(), "{text}");
        }
        let area: Area = "0.8,0,0.2,0.05".parse().unwrap();
        assert_eq!(area.to_string(), "0.8,0,0.2,0.05");
    }
}
