//! What is measured in each picture, from its luma made small: a sample for each 4 × 4 pixels.

mod blocks;
mod continuity;
mod film;
mod plane;

use serde::{Deserialize, Serialize};

pub use self::{
    blocks::{Blocks, Change},
    continuity::{coarse_factor, continuity},
    film::{BACK, Film, FilmMeter},
    plane::Plane,
};

/// Samples that differ by no more from their neighbour are flat.
const FLAT: u8 = 1;

/// What was measured in one frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// On the session's timeline, in ticks.
    pub at: i64,
    /// ffmpeg's scene score, 0 to 1, six decimals.
    pub score: f64,
    /// How it follows the frames before it.
    pub film: Film,
    /// Share of samples that are as their right neighbour: drawn pictures have large areas of one colour.
    pub flat: f32,
    /// The picture has another size than the one before.
    pub resized: bool,
    /// Blocks in a row of blocks, and rows of them.
    pub grid: (u32, u32),
    /// Blocks whose content changed.
    pub changes: Vec<Change>,
}

/// Measures frames in the order of their PTS.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Meter {
    film: FilmMeter,
    blocks: Blocks,
    before: Plane,
    flat: f32,
}

impl Meter {
    /// Measures the next frame, given its small luma.
    pub fn push(&mut self, at: i64, score: f64, plane: Plane) -> Measures {
        let was = (self.before.width, self.before.height);
        let resized = was != (0, 0) && was != (plane.width, plane.height);
        let film = self.film.push(&plane);
        let changes = if plane == self.before {
            Vec::new()
        } else {
            self.flat = flat(&plane);
            self.blocks.push(&plane)
        };
        self.before = plane;
        let grid = (self.blocks.columns as u32, self.blocks.rows as u32);
        Measures { at, score, film, flat: self.flat, resized, grid, changes }
    }
}

fn flat(plane: &Plane) -> f32 {
    let flat: usize = (0..plane.height)
        .map(|y| plane.row(y).windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= FLAT).count())
        .sum();
    flat as f32 / (plane.height * plane.width.saturating_sub(1)).max(1) as f32
}
