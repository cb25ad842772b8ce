//! Measures each picture by its luma made small: a sample for each 4 × 4 pixels.
//!
//! In order, each using only those before it: `plane`, `samples`, `texture`, `blocks` (which blocks
//! changed), `rle` (their serialization), `continuity`, `ramp` (dissolves and fades), `film` (both,
//! frame by frame), `synthetic` (drawn or filmed), [`Meter`].

mod blocks;
mod continuity;
mod film;
mod plane;
mod ramp;
mod rle;
mod samples;
mod synthetic;
mod texture;

use self::synthetic::Steps;
use serde::{Deserialize, Serialize};

pub use self::{
    blocks::{Blocks, Change, Detail},
    continuity::{Searchable, coarse_factor, continuity, continuity_in_other_light},
    film::{BACK, Film, FilmMeter},
    plane::Plane,
    ramp::{Ramp, RampMeter},
    texture::Texture,
};

/// Measures of one frame.
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
    /// Pictures between the one before and this one were not decoded.
    #[serde(default, skip_serializing_if = "is_false")]
    pub gap: bool,
    /// The picture has another size than the one before.
    pub resized: bool,
    /// Blocks in a row of blocks, and rows of them.
    pub grid: (u32, u32),
    /// Blocks whose content changed.
    #[serde(with = "rle")]
    pub changes: Vec<Change>,
    /// Other blocks, in which a detail changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

impl Measures {
    /// Tells whether a picture can have these measures, which may come from a damaged file.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        let Film { difference, contrast, histogram, continuity, relit, evened, back, ramp } =
            self.film;
        let mut shares = [difference, contrast, histogram, continuity, relit, self.drawn]
            .into_iter()
            .chain(evened.into_iter().flat_map(|(difference, histogram)| [difference, histogram]))
            .chain(back);
        let blocks = self.grid.0.checked_mul(self.grid.1).filter(|&blocks| blocks <= MOST_BLOCKS);
        (0.0..=1.0).contains(&self.score)
            && shares.all(f32::is_finite)
            && ramp.is_none_or(|ramp| ramp.is_plausible())
            && blocks.is_some_and(|blocks| {
                self.changes.iter().all(|change| change.block < blocks)
                    && self.details.iter().all(|detail| detail.block < blocks)
            })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Largest number of blocks in a picture.
const MOST_BLOCKS: u32 = 1 << 20;

/// Measures frames in the order of their PTS.
///
/// ```
/// use cht_detect::measure::{Meter, Plane};
///
/// let grey = |level| Plane { width: 80, height: 45, samples: vec![level; 80 * 45] };
/// let mut meter = Meter::default();
/// meter.push(0, 0.0, grey(40));
/// assert!(meter.push(3600, 0.0, grey(40)).changes.is_empty());
/// let measures = meter.push(7200, 0.0, grey(200));
/// assert_eq!((measures.grid, measures.changes.len()), ((20, 11), 20 * 11));
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Meter {
    film: FilmMeter,
    blocks: Blocks,
    steps: Steps,
}

impl Meter {
    /// Returns the small luma of the last frame.
    #[must_use]
    pub fn plane(&self) -> &Plane {
        self.blocks.before()
    }

    /// Measures the next frame: its time in ticks, ffmpeg's scene score (`libavfilter/vf_scdet.c`,
    /// 0 to 1), and its small luma.
    pub fn push(&mut self, at: i64, score: f64, plane: Plane) -> Measures {
        let before = self.blocks.before();
        let resized = *before != Plane::default() && !plane.is_as_large_as(before);
        let film = self.film.push(at, &plane, before);
        self.steps.update(&plane, before);
        let drawn = self.steps.drawn(&plane);
        let (changes, details) = self.blocks.push(at, plane);
        let grid = (self.blocks.columns as u32, self.blocks.rows as u32);
        Measures { at, score, film, drawn, gap: false, resized, grid, changes, details }
    }
}
