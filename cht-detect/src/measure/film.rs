//! Measures how a frame follows the ones before it, to tell cuts, flashes and dissolves apart.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    Plane, Ramp, RampMeter, Searchable, coarse_factor, continuity, continuity_in_other_light,
};

/// Number of frames with which a frame is compared: one more than a flash may last.
pub const BACK: usize = 5;

/// Number of classes of the luma histogram.
const CLASSES: usize = 32;

/// Continuity above which a frame was no cut, and nothing is compared with the picture before it.
const CONTINUES: f32 = 0.9;

/// Logarithm of the change of contrast, or change of the mean in levels, up to which the light is
/// the same.
const OTHER_LIGHT: (f32, f32) = (0.03, 1.5);

/// Mean difference below which nothing has moved, in levels.
const STILL: f32 = 0.05;

/// How a frame follows the ones before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Film {
    /// Mean absolute difference to the frame before, in levels, of the coarse luma.
    pub difference: f32,
    /// Standard deviation of the coarse luma, in levels.
    pub contrast: f32,
    /// Share of the luma histogram that is another than in the frame before, 0 to 1.
    pub histogram: f32,
    /// Share of the frame before that is found again, wherever it moved, 0 to 1 ([`continuity()`]).
    pub continuity: f32,
    /// The same in any light, which may have been turned up or down.
    pub relit: f32,
    /// Difference and histogram change to the frame before as if that had this one's mean and
    /// contrast; `None` where the light is the same.
    #[serde(default)]
    pub evened: Option<(f32, f32)>,
    /// Share of the frames before that one, from the second to the [`BACK`]th, that is found again;
    /// 0 if it was not searched.
    pub back: [f32; BACK - 1],
    /// A dissolve or a fade that seems to have ended a few frames before.
    pub ramp: Option<Ramp>,
}

/// Measures [`Film`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct FilmMeter {
    /// Coarse luma, the newest first.
    planes: VecDeque<Searchable>,
    histogram: Vec<f32>,
    /// Continuity of the last frames, the newest first.
    continuities: VecDeque<f32>,
    ramps: RampMeter,
}

impl FilmMeter {
    /// Measures the next frame at `at`, in ticks. Given the one before, equal parts cost less.
    pub fn push(&mut self, at: i64, plane: &Plane, before: &Plane) -> Film {
        let known = self.planes.front().filter(|_| plane.is_as_large_as(before));
        let shrunk = known.map(|coarse| (before, coarse.plane()));
        let coarse = plane.shrunk_as(coarse_factor(plane.width), shrunk);
        let unchanged = known.filter(|known| *known.plane() == coarse);
        let coarse = unchanged.cloned().unwrap_or_else(|| Searchable::new(coarse));
        let histogram = classes(coarse.plane());
        let contrast = contrast(coarse.plane());
        let ramp = self.ramps.push(at, coarse.plane(), contrast * contrast);
        let before = self.planes.front();
        let before = before.filter(|before| before.plane().is_as_large_as(coarse.plane()));
        let Some(before) = before else {
            self.planes.clear();
            self.continuities.clear();
            let film = Film { contrast, continuity: 1.0, relit: 1.0, ..Film::default() };
            self.remember(coarse, histogram, 1.0);
            return film;
        };
        let difference = coarse.plane().difference(before.plane()) as f32;
        let is_still = difference < STILL;
        let continuity_now = if is_still { 1.0 } else { continuity(before, &coarse) };
        let relit = if is_still { None } else { continuity_in_other_light(before, &coarse) };
        let mut back = [0.0; BACK - 1];
        for (n, back) in back.iter_mut().enumerate() {
            // The frame `n + 2` before shows the picture before a cut at the frame `n + 1` before.
            let is_cut = self.continuities.get(n).is_some_and(|&was| was < CONTINUES);
            if let (true, Some(plane)) = (is_cut, self.planes.get(n + 1)) {
                *back = continuity(plane, &coarse);
            }
        }
        let film = Film {
            difference,
            contrast,
            histogram: distance(&self.histogram, &histogram),
            continuity: continuity_now,
            relit: relit.map_or(continuity_now, |relit| relit.max(continuity_now)),
            evened: if is_still {
                None
            } else {
                evened(before.plane(), coarse.plane(), &histogram)
            },
            back,
            ramp,
        };
        self.remember(coarse, histogram, continuity_now);
        film
    }

    fn remember(&mut self, coarse: Searchable, histogram: Vec<f32>, continuity: f32) {
        self.planes.push_front(coarse);
        self.planes.truncate(BACK);
        self.continuities.push_front(continuity);
        self.continuities.truncate(BACK);
        self.histogram = histogram;
    }
}

fn contrast(plane: &Plane) -> f32 {
    mean_and_contrast(plane).1
}

/// Returns the mean and the standard deviation of the samples.
fn mean_and_contrast(plane: &Plane) -> (f32, f32) {
    let count = plane.samples.len().max(1) as f32;
    let sum: u32 = plane.samples.iter().map(|&s| u32::from(s)).sum();
    let squares: u32 = plane.samples.iter().map(|&s| u32::from(s) * u32::from(s)).sum();
    let mean = sum as f32 / count;
    (mean, (squares as f32 / count - mean * mean).max(0.0).sqrt())
}

/// Returns the difference and the change of the histogram from `before`, given the mean and the
/// contrast of `plane`, whose `histogram` is known, if its light is another.
fn evened(before: &Plane, plane: &Plane, histogram: &[f32]) -> Option<(f32, f32)> {
    let ((mean_before, contrast_before), (mean, contrast)) =
        (mean_and_contrast(before), mean_and_contrast(plane));
    let gain = (contrast + 1.0) / (contrast_before + 1.0);
    if gain.ln().abs() <= OTHER_LIGHT.0 && (mean - mean_before).abs() <= OTHER_LIGHT.1 {
        return None;
    }
    let lit = |level: usize| ((level as f32 - mean_before) * gain + mean).round() as u8;
    let levels: [u8; 256] = std::array::from_fn(lit);
    let samples = before.samples.iter().map(|&sample| levels[usize::from(sample)]).collect();
    let lit = Plane { samples, ..*before };
    Some((plane.difference(&lit) as f32, distance(&classes(&lit), histogram)))
}

fn classes(plane: &Plane) -> Vec<f32> {
    // Neighbours are alike: of one counter for all of them, each would wait for the one before.
    let mut counts = [[0u32; CLASSES]; 4];
    for neighbours in plane.samples.chunks(counts.len()) {
        for (counts, &sample) in counts.iter_mut().zip(neighbours) {
            counts[usize::from(sample) * CLASSES / 256] += 1;
        }
    }
    let samples = plane.samples.len().max(1) as f32;
    let count = |class| counts.iter().map(|counts| counts[class]).sum::<u32>();
    (0..CLASSES).map(|class| count(class) as f32 / samples).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / 2.0
}
