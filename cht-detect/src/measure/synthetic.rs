//! Measures whether a picture looks drawn or filmed, by the steps between neighbouring samples.
//!
//! Drawn areas have one colour with sharp edges between them; camera pictures have slopes.

use serde::{Deserialize, Serialize};

use super::Plane;

/// Largest differences of neighbours that are flat, and that form a slope, in levels; more is an
/// edge.
const FLAT: u8 = 1;
const SLOPE: u8 = 32;

/// Number of pairs of neighbours counted in bytes, many at once.
const COUNTED: usize = 128;

/// Factor of the share of edges among steps: from a fifth on, the picture can be drawn.
const EDGES: f32 = 5.0;

/// The steps between samples and their right neighbours, counted row by row, so that rows that stay
/// need not be counted again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Steps {
    rows: Vec<Counts>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Counts {
    none: u32,
    steep: u32,
    sharp: u32,
}

impl Steps {
    /// Counts the steps of the next plane, given the one before.
    pub(crate) fn update(&mut self, plane: &Plane, before: &Plane) {
        let is_known = plane.is_as_large_as(before) && self.rows.len() == plane.height;
        self.rows.resize(plane.height, Counts::default());
        for (y, counts) in self.rows.iter_mut().enumerate() {
            if !is_known || plane.row(y) != before.row(y) {
                *counts = Counts::of(plane.row(y));
            }
        }
    }

    /// Returns how drawn the plane looks, 0 to 1: the share of samples equal to their right
    /// neighbour, limited if there are hardly any sharp edges among the others, as in a dark film.
    pub(crate) fn drawn(&self, plane: &Plane) -> f32 {
        let sum = |count: fn(&Counts) -> u32| self.rows.iter().map(count).sum::<u32>();
        let pairs = (plane.height * plane.width.saturating_sub(1)).max(1) as f32;
        let (steep, sharp) = (sum(|row| row.steep), sum(|row| row.sharp));
        let sharp = sharp as f32 / (steep as f32 + pairs / 100.0);
        (sum(|row| row.none) as f32 / pairs).min(EDGES * sharp)
    }
}

impl Counts {
    fn of(row: &[u8]) -> Self {
        let rights = row.get(1..).unwrap_or_default();
        let mut counts = Self::default();
        for (lefts, rights) in row.chunks(COUNTED).zip(rights.chunks(COUNTED)) {
            let (mut none, mut steep, mut sharp) = (0u8, 0u8, 0u8);
            for (left, &right) in lefts.iter().zip(rights) {
                let step = left.abs_diff(right);
                none += u8::from(step == 0);
                steep += u8::from(step > FLAT);
                sharp += u8::from(step > SLOPE);
            }
            counts.none += u32::from(none);
            counts.steep += u32::from(steep);
            counts.sharp += u32::from(sharp);
        }
        counts
    }
}
