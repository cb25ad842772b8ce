//! Cuts and gradual changes in film: each frame against its neighbourhood.
//!
//! No threshold on a single difference tells a cut in a dark shot from a shaking camera in a bright one. So what counts is by how
//! much a frame stands out from the frames on either side, in three measures that fail in different ways, and whether what was
//! before it comes back, as after a flash. The sum is a logistic regression; `docs/scenes.md` says on what it was fitted.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::Finding;
use crate::measure::{BACK, Film, Measures};

/// Frames on either side that a frame has to stand out from.
const SIDES: usize = 3;

/// Frames that must have come before a frame is decided on.
pub const LOOKAHEAD: usize = BACK - 1;

/// Weights of the logistic regression.
const DIFFERENCE_OVER_BOTH: f32 = 1.79;
const CONTINUITY_OVER_ONE: f32 = 2.56;
const CONTINUITY_OVER_BOTH: f32 = 1.53;
const HISTOGRAM_OVER_ONE: f32 = -1.67;
const HISTOGRAM_OVER_BOTH: f32 = 5.01;
const STAYS: f32 = 0.66;
const DIFFERENCE: f32 = 2.05;
const BIAS: f32 = -10.88;

/// A frame in a dissolve or a fade: so well is it explained as a blend.
const BLENDED: f32 = 0.8;

/// A gradual change has at least so many blended frames, with at most [`INTERRUPTED`] others between them.
const GRADUAL: u32 = 5;
const INTERRUPTED: u32 = 3;

/// What is remembered of a frame.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Seen {
    at: i64,
    film: Film,
    /// Mean difference relative to the contrast.
    relative: f32,
    probability: f32,
}

/// Looks at one frame after the other.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Adaptive {
    /// The newest last.
    seen: VecDeque<Seen>,
    blended: u32,
    others: u32,
    /// When a gradual change began.
    began: i64,
    /// A gradual change that has ended, if no cut turns out to have ended it.
    ended: Option<Finding>,
}

impl Adaptive {
    /// Takes the next frame; what is now certain about the frame [`LOOKAHEAD`] before it.
    pub fn push(&mut self, measures: &Measures) -> Option<Finding> {
        let film = measures.film;
        let before = self.seen.back().map_or(film.contrast, |before| before.film.contrast);
        let relative = film.difference / (film.contrast * before + 25.0).sqrt();
        self.seen.push_back(Seen { at: measures.at, film, relative, probability: 0.0 });
        if self.seen.len() > SIDES + 2 + LOOKAHEAD {
            self.seen.pop_front();
        }
        if let Some(cut) = self.decide(LOOKAHEAD) {
            // What looked like a blend belongs to the cut.
            (self.blended, self.others, self.ended) = (0, 0, None);
            return Some(cut);
        }
        self.gradual(measures);
        // A cut just behind it is known by then.
        let oldest = self.seen.front().map(|seen| seen.at);
        self.ended.take_if(|ended| oldest.is_some_and(|oldest| oldest >= ended.at))
    }

    /// What is left to be said about the last frames, when there will be no more.
    pub fn finish(&mut self) -> Vec<Finding> {
        (0..LOOKAHEAD).rev().filter_map(|later| self.decide(later)).collect()
    }

    /// Decides on the frame that `later` frames have followed.
    fn decide(&mut self, later: usize) -> Option<Finding> {
        let center = self.seen.len().checked_sub(later + 1)?;
        let previous = self.seen.get(center.checked_sub(1)?)?.probability;
        let probability = self.probability(center);
        self.seen[center].probability = probability;
        // Of two frames of one cut the likelier one counts.
        let is_less_than_next =
            || center + 1 < self.seen.len() && self.probability(center + 1) > probability;
        if probability <= 0.5 || previous >= probability || is_less_than_next() {
            return None;
        }
        Some(Finding::cut(self.seen[center].at, f64::from(probability)))
    }

    /// How likely a cut before the frame `center` is.
    fn probability(&self, center: usize) -> f32 {
        let film = self.seen[center].film;
        let by = |value: fn(&Seen) -> f32, floor: f32| {
            let log = |seen: &Seen| (value(seen) + floor).ln();
            let most =
                |seen: &mut dyn Iterator<Item = &Seen>| seen.map(log).fold(floor.ln(), f32::max);
            let before = most(&mut self.seen.range(center.saturating_sub(SIDES)..center));
            let behind = center + 1..(center + 1 + SIDES).min(self.seen.len());
            let after = most(&mut self.seen.range(behind));
            let own = log(&self.seen[center]);
            (own - before.min(after), own - before.max(after))
        };
        let (_, difference) = by(|seen| seen.relative, 0.03);
        let (continuity, continuity_both) = by(|seen| 1.0 - seen.film.continuity, 0.05);
        let (histogram, histogram_both) = by(|seen| seen.film.histogram, 0.02);
        // What was before the cut, sought in the frames behind it.
        let lost = 1.0 - film.continuity;
        let returned = (1..BACK)
            .filter_map(|later| Some(self.seen.get(center + later)?.film.back[later - 1]))
            .fold(0.0, f32::max);
        let stays = ((lost.min(1.0 - returned) + 0.05) / (lost + 0.05)).ln();
        let sum = BIAS
            + DIFFERENCE_OVER_BOTH * difference
            + CONTINUITY_OVER_ONE * continuity
            + CONTINUITY_OVER_BOTH * continuity_both
            + HISTOGRAM_OVER_ONE * histogram
            + HISTOGRAM_OVER_BOTH * histogram_both
            + STAYS * stays
            + DIFFERENCE * (film.difference + 0.3).ln().min(3.0);
        1.0 / (1.0 + (-sum).exp())
    }

    /// Follows dissolves and fades; one is found when it has ended.
    fn gradual(&mut self, measures: &Measures) {
        if measures.film.blend >= BLENDED {
            if self.blended == 0 {
                self.began = measures.at;
            }
            self.blended += 1;
            self.others = 0;
        } else if self.blended > 0 {
            self.others += 1;
            if self.others > INTERRUPTED {
                if self.blended >= GRADUAL {
                    self.ended = Some(Finding::gradual(measures.at, self.began));
                }
                (self.blended, self.others) = (0, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame that continues the one before by `continuity` and differs from it by `difference`.
    fn frame(n: i64, continuity: f32, difference: f32, histogram: f32) -> Measures {
        let film = Film { difference, contrast: 50.0, histogram, continuity, ..Film::default() };
        Measures { at: n, film, ..Measures::default() }
    }

    /// A calm shot with these frames in place of its own; where cuts are found.
    fn cuts(others: &[(i64, Measures)]) -> Vec<i64> {
        let mut adaptive = Adaptive::default();
        let mut found = Vec::new();
        for n in 0..40 {
            let other =
                others.iter().find(|(at, _)| *at == n).map(|(_, measures)| measures.clone());
            found.extend(adaptive.push(&other.unwrap_or_else(|| frame(n, 0.97, 1.0, 0.01))));
        }
        found.extend(adaptive.finish());
        found.iter().map(|finding| finding.at).collect()
    }

    #[test]
    fn a_calm_shot_has_no_cut() {
        assert_eq!(cuts(&[]), [0i64; 0]);
    }

    #[test]
    fn a_frame_that_stands_out_is_a_cut_also_as_the_last_one() {
        assert_eq!(cuts(&[(20, frame(20, 0.4, 30.0, 0.4))]), [20]);
        assert_eq!(cuts(&[(39, frame(39, 0.4, 30.0, 0.4))]), [39]);
    }

    #[test]
    fn one_among_frames_that_all_differ_as_much_is_none() {
        let shaken: Vec<_> = (10..30).map(|n| (n, frame(n, 0.7, 30.0, 0.1))).collect();
        assert!(!cuts(&shaken).contains(&20));
    }

    #[test]
    fn two_frames_of_one_cut_are_one() {
        let cut = [(20, frame(20, 0.85, 6.0, 0.05)), (21, frame(21, 0.3, 40.0, 0.6))];
        assert_eq!(cuts(&cut), [21]);
    }

    #[test]
    fn a_dissolve_is_reported_once_when_it_has_ended() {
        let blended = |n| {
            let mut measures = frame(n, 0.95, 2.0, 0.02);
            measures.film.blend = 0.95;
            (n, measures)
        };
        let dissolve: Vec<_> = (10..20).map(blended).collect();
        let found = cuts(&dissolve);
        assert_eq!(found.len(), 1);
        assert!((20..26).contains(&found[0]), "{found:?}");
    }
}
