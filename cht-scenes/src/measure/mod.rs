//! What is measured in each picture, from its luma made small: a sample for each 4 × 4 pixels.

mod blocks;
mod continuity;
mod film;
mod plane;
mod ramp;
mod runs;

use serde::{Deserialize, Serialize};

pub use self::{
    blocks::{Blocks, Change, Look},
    continuity::{Searchable, coarse_factor, continuity, continuity_in_other_light},
    film::{BACK, Film, FilmMeter},
    plane::Plane,
    ramp::{Ramp, RampMeter},
};

/// Neighbours that differ by no more are flat; by no more than the second, a slope; by more, an edge.
const FLAT: u8 = 1;
const SLOPE: u8 = 32;

/// Pairs of neighbours that are counted in a byte, many at once.
const COUNTED: usize = 128;

/// Where a fifth of what is not flat is edges, nothing speaks against a drawn picture.
const EDGES: f32 = 5.0;

/// What was measured in one frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// On the session's timeline, in ticks.
    pub at: i64,
    /// ffmpeg's scene score, 0 to 1, six decimals.
    pub score: f64,
    /// How it follows the frames before it.
    pub film: Film,
    /// How much the picture looks drawn rather than filmed, 0 to 1.
    pub drawn: f32,
    /// The picture has another size than the one before.
    pub resized: bool,
    /// Blocks in a row of blocks, and rows of them.
    pub grid: (u32, u32),
    /// Blocks whose content changed.
    #[serde(with = "runs")]
    pub changes: Vec<Change>,
}

/// Measures frames in the order of their PTS.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Meter {
    film: FilmMeter,
    blocks: Blocks,
    drawn: f32,
}

impl Meter {
    /// The small luma of the frame that was measured last.
    #[must_use]
    pub fn plane(&self) -> &Plane {
        self.blocks.before()
    }

    /// Measures the next frame, given its small luma.
    pub fn push(&mut self, at: i64, score: f64, plane: Plane) -> Measures {
        let before = self.blocks.before();
        let was = (before.width, before.height);
        let resized = was != (0, 0) && was != (plane.width, plane.height);
        let film = self.film.push(at, &plane);
        let changes = if plane == *before {
            Vec::new()
        } else {
            self.drawn = drawn(&plane);
            self.blocks.push(at, plane)
        };
        let grid = (self.blocks.columns as u32, self.blocks.rows as u32);
        Measures { at, score, film, drawn: self.drawn, resized, grid, changes }
    }
}

/// Drawn areas have one colour, and sharp edges between them; what a camera sees has slopes. The share of samples that are
/// exactly as their right neighbour, unless there are hardly any sharp edges among the others, as in a dark film.
fn drawn(plane: &Plane) -> f32 {
    let (mut same, mut slopes, mut edges) = (0u32, 0u32, 0u32);
    for y in 0..plane.height {
        let row = plane.row(y);
        let rights = row.get(1..).unwrap_or_default();
        for (lefts, rights) in row.chunks(COUNTED).zip(rights.chunks(COUNTED)) {
            let (mut level, mut steep, mut sharp) = (0u8, 0u8, 0u8);
            for (left, &right) in lefts.iter().zip(rights) {
                let step = left.abs_diff(right);
                level += u8::from(step == 0);
                steep += u8::from(step > FLAT);
                sharp += u8::from(step > SLOPE);
            }
            same += u32::from(level);
            slopes += u32::from(steep - sharp);
            edges += u32::from(sharp);
        }
    }
    let pairs = (plane.height * plane.width.saturating_sub(1)).max(1) as f32;
    let sharp = edges as f32 / ((slopes + edges) as f32 + pairs / 100.0);
    (same as f32 / pairs).min(EDGES * sharp)
}
