//! Finds cuts and gradual changes in film: compares each frame with its neighbourhood.
//!
//! No threshold on a single difference tells a cut in a dark shot from a shaking camera in a bright
//! one. So a frame is judged by how much it stands out from the frames on either side, in three
//! measures that fail in different ways, and by whether the picture before it comes back, as after
//! a flash. The sum is a logistic regression; `docs/design/detectors.md` names the footage on which
//! it was fitted.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::measure::{BACK, Film, Measures};
use crate::{Finding, Gradual};

/// Number of frames on either side from which a frame has to stand out.
const SIDES: usize = 3;

/// Mean difference in levels up to which a flat picture stays the same.
const STILL: f32 = 1.0;

/// Number of later frames that a decision on a frame needs.
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

/// Continuity above which, and logarithm of its loss up to which, a frame is the same shot in other
/// light.
const CONTINUES: f32 = 0.9;
const STANDS_OUT: f32 = 0.4;

/// Share of an earlier picture above which it has come back after an interruption, and part of the
/// loss at the end of the interruption that is lost of it at most.
const RETURNS: f32 = 0.85;
const RETURNS_OF_LOST: f32 = 0.35;

/// Logarithm below which a frame that stands out from both sides is one of many.
const ONE_OF_MANY: f32 = 0.1;

/// Contrast in levels below which a picture is flat, such as black.
const FLAT: f32 = 3.0;

/// Number of later frames after which a cut is reported that is certain, and the probability from
/// which on it is.
const SOON: usize = 2;
const CERTAIN: f32 = 0.95;

/// Contrast in levels below which no cut is certain, and share of the picture before found again in
/// other light above which none is: it may be a flash of three or four frames.
const PLAIN: f32 = 10.0;
const LIT: f32 = 0.8;

/// Measures of a frame that has gone by.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Seen {
    at: i64,
    film: Film,
    /// Mean difference relative to the contrast.
    relative: f32,
    /// It belongs to an interruption: the picture before it came back within [`BACK`] frames.
    interrupts: bool,
    probability: f32,
    /// Whether it was reported as a cut.
    #[serde(default)]
    reported: bool,
}

impl Seen {
    /// Mean difference and change of the histogram with the light evened out.
    fn evened(&self) -> (f32, f32) {
        self.film.evened.map_or((self.relative, self.film.histogram), |(difference, histogram)| {
            let relative = self.relative * difference / self.film.difference.max(0.01);
            (relative.min(self.relative), histogram.min(self.film.histogram))
        })
    }
}

/// Detects cuts and gradual changes in film, frame by frame.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Adaptive {
    /// The newest last.
    seen: VecDeque<Seen>,
    gradual: Gradual,
}

impl Adaptive {
    /// Takes the next frame. Returns the finding about the frame [`LOOKAHEAD`] before it, a later
    /// cut that is certain, or a gradual change that has become certain.
    pub fn push(&mut self, measures: &Measures) -> Option<Finding> {
        let film = measures.film;
        let before = self.seen.back().map_or(film.contrast, |before| before.film.contrast);
        let relative = film.difference / (film.contrast * before + 25.0).sqrt();
        self.seen.push_back(Seen {
            at: measures.at,
            film,
            relative,
            interrupts: false,
            probability: 0.0,
            reported: false,
        });
        self.mark_interruption();
        if self.seen.len() > SIDES + 2 + LOOKAHEAD {
            self.seen.pop_front();
        }
        let cut = self.decide(LOOKAHEAD).or_else(|| self.decide_soon());
        let gradual = self.gradual.push(measures, cut.as_ref());
        cut.or(gradual)
    }

    /// Returns the end of the earliest gradual change that is not reported yet.
    pub(crate) fn undecided_from(&self) -> Option<i64> {
        self.gradual.undecided_from()
    }

    /// Marks the frames of an interruption that the newest frame ends, such as a flash: it shows
    /// the picture before them again.
    fn mark_interruption(&mut self) {
        let Some(newest) = self.seen.back() else { return };
        let (back, lost) = (newest.film.back, 1.0 - newest.film.continuity);
        // The longest one counts, since the picture of a flash comes back as well.
        let returned = |&n: &usize| back[n] > RETURNS && 1.0 - back[n] < lost * RETURNS_OF_LOST;
        let Some(longest) = (0..back.len()).rev().find(returned) else { return };
        let first = self.seen.len().saturating_sub(longest + 2);
        self.seen.range_mut(first..).for_each(|seen| seen.interrupts = true);
    }

    /// Returns the findings about the last frames: no more come.
    pub fn finish(&mut self) -> Vec<Finding> {
        let mut found = self.gradual.finish();
        found.extend((0..LOOKAHEAD).rev().filter_map(|later| self.decide(later)));
        found.sort_by_key(|finding| finding.at);
        found
    }

    /// Decides on the frame that `later` frames have followed.
    fn decide(&mut self, later: usize) -> Option<Finding> {
        let center = self.seen.len().checked_sub(later + 1)?;
        let before = *self.seen.get(center.checked_sub(1)?)?;
        let probability = self.probability(center);
        self.seen[center].probability = probability;
        let is_told = self.seen[center].reported || before.reported;
        if is_told || !self.is_cut(center, probability, before.probability) {
            return None;
        }
        Some(self.report(center, probability))
    }

    /// Decides on a cut that is so clear that the frames which [`Self::decide`] waits for would
    /// change nothing.
    fn decide_soon(&mut self) -> Option<Finding> {
        let center = self.seen.len().checked_sub(SOON + 1)?;
        let (before, now) = (self.seen.get(center.checked_sub(1)?)?, &self.seen[center]);
        let is_plain = now.film.contrast.min(before.film.contrast) < PLAIN;
        // A dissolve that has ended before is reported before.
        let waits = self.undecided_from().is_some_and(|end| end < now.at);
        if is_plain || now.film.relit > LIT || before.reported || waits {
            return None;
        }
        let probability = self.probability(center);
        let is_certain = probability >= CERTAIN
            && self.is_cut(center, probability, self.probability(center - 1));
        is_certain.then(|| self.report(center, probability))
    }

    fn report(&mut self, center: usize, probability: f32) -> Finding {
        self.seen[center].reported = true;
        Finding::cut(self.seen[center].at, f64::from(probability))
    }

    /// Tells whether there is a cut before the frame `center`, given its probability and that of
    /// the frame before. Of two frames of one cut the likelier one counts.
    fn is_cut(&self, center: usize, probability: f32, before: f32) -> bool {
        let is_less_than_next =
            || center + 1 < self.seen.len() && self.probability(center + 1) > probability;
        probability > 0.5
            && before < probability
            && !is_less_than_next()
            && !self.fades_in(center)
            && !self.is_same_in_other_light(center)
            && !self.is_one_of_many(center)
    }

    /// Tells whether the picture was flat before the frame `center`, and gains contrast evenly from
    /// there on.
    fn fades_in(&self, center: usize) -> bool {
        let contrast = |n: usize| self.seen.get(n).map(|seen| seen.film.contrast);
        let gains = |n: usize| Some(contrast(n + 1)? > contrast(n)? * 1.1);
        let is_flat = |n: usize| contrast(n).is_some_and(|contrast| contrast < FLAT);
        is_flat(center - 1)
            && (center..center + 3).all(|n| gains(n) == Some(true))
            && contrast(center + 3) > contrast(center).map(|contrast| 2.0 * contrast)
    }

    /// Tells whether the frame `center` continues the one before as well as its neighbours do
    /// theirs, however different it is: light that is turned up or down.
    fn is_same_in_other_light(&self, center: usize) -> bool {
        let (_, lost) = self.stands_out(center, |seen| 1.0 - seen.film.relit, 0.05);
        self.seen[center].film.relit > CONTINUES && lost < STANDS_OUT
    }

    /// Tells whether frames on either side differ as much in all measures, as repeated flashes do.
    fn is_one_of_many(&self, center: usize) -> bool {
        let (_, difference) = self.stands_out(center, |seen| seen.relative, 0.03);
        let (_, histogram) = self.stands_out(center, |seen| seen.film.histogram, 0.02);
        let (_, lost) = self.stands_out(center, |seen| 1.0 - seen.film.continuity, 0.05);
        difference.max(histogram) < ONE_OF_MANY && lost < STANDS_OUT
    }

    /// Returns the logarithm of a value of the frame `center` over the largest value on one side,
    /// whichever gives less, and over the largest on both.
    fn stands_out(&self, center: usize, value: fn(&Seen) -> f32, floor: f32) -> (f32, f32) {
        // A flash that has passed tells nothing of the frames next to it.
        let is_within = self.seen[center].interrupts;
        let log = |seen: &Seen| {
            let counts = is_within || !seen.interrupts;
            if counts { (value(seen) + floor).ln() } else { floor.ln() }
        };
        let most = |seen: &mut dyn Iterator<Item = &Seen>| seen.map(log).fold(floor.ln(), f32::max);
        // Next to lasting black only the nearest frame counts: a flash may be close.
        let (from_black, to_black) = self.borders_black(center);
        let earlier = if to_black { 1 } else { SIDES };
        let later = if from_black { 1 } else { SIDES };
        let before = most(&mut self.seen.range(center.saturating_sub(earlier)..center));
        let behind = center + 1..(center + 1 + later).min(self.seen.len());
        let after = most(&mut self.seen.range(behind));
        let own = log(&self.seen[center]);
        (own - before.min(after), own - before.max(after))
    }

    /// Tells whether the picture was flat and still for [`SIDES`] frames before the frame `center`,
    /// and whether it is from there on.
    fn borders_black(&self, center: usize) -> (bool, bool) {
        let is_black = |first: usize| {
            let frames = first..first + SIDES;
            frames.end <= self.seen.len()
                && self.seen.range(frames.clone()).all(|seen| seen.film.contrast < FLAT)
                && self.seen.range(frames).skip(1).all(|seen| seen.film.difference < STILL)
        };
        (center >= SIDES && is_black(center - SIDES), is_black(center))
    }

    /// Returns the probability of a cut before the frame `center`. In a fade, it is also computed
    /// with the light evened out, and the larger one counts.
    fn probability(&self, center: usize) -> f32 {
        let fades = |first: usize| {
            let frames = first..first + SIDES;
            frames.end <= self.seen.len()
                && self
                    .seen
                    .range(frames)
                    .all(|seen| seen.film.evened.is_some() && seen.film.relit > CONTINUES)
        };
        let in_fade = !self.seen[center].interrupts
            && (center >= SIDES && fades(center - SIDES) || fades(center + 1));
        let probability = self.probability_by(
            center,
            self.seen[center].film.difference,
            |seen| seen.relative,
            |seen| seen.film.histogram,
            |seen| 1.0 - seen.film.continuity,
        );
        if !in_fade {
            return probability;
        }
        let film = self.seen[center].film;
        let difference = film.evened.map_or(film.difference, |(evened, _)| evened);
        probability.max(self.probability_by(
            center,
            difference.min(film.difference),
            |seen| seen.evened().0,
            |seen| seen.evened().1,
            |seen| 1.0 - seen.film.relit,
        ))
    }

    /// Returns the probability of a cut before the frame `center` by these measures.
    fn probability_by(
        &self,
        center: usize,
        levels: f32,
        relative: fn(&Seen) -> f32,
        histogram: fn(&Seen) -> f32,
        lost: fn(&Seen) -> f32,
    ) -> f32 {
        let film = self.seen[center].film;
        let by = |value, floor| self.stands_out(center, value, floor);
        let (_, difference) = by(relative, 0.03);
        let (continuity, continuity_both) = by(lost, 0.05);
        let (relit, relit_both) = by(|seen| 1.0 - seen.film.relit, 0.05);
        // Other light is no other picture.
        let (continuity, continuity_both) =
            (continuity.min(relit), continuity_both.min(relit_both));
        let (histogram, histogram_both) = by(histogram, 0.02);
        // Search for the picture before the cut in the frames after it.
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
            + DIFFERENCE * (levels + 0.3).ln().min(3.0);
        1.0 / (1.0 + (-sum).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a frame that continues the one before by `continuity` and differs from it by
    /// `difference`.
    fn frame(n: i64, continuity: f32, difference: f32, histogram: f32) -> Measures {
        let relit = continuity;
        let film =
            Film { difference, contrast: 50.0, histogram, continuity, relit, ..Film::default() };
        Measures { at: n, film, ..Measures::default() }
    }

    /// Makes a frame of another picture, of this contrast.
    fn flash_of(n: i64, contrast: f32) -> Measures {
        let mut flash = frame(n, 0.4, 30.0, 0.4);
        flash.film.contrast = contrast;
        flash
    }

    /// Returns the cuts in a calm shot with these frames in place of its own.
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
    fn calm_shot_has_no_cut() {
        assert_eq!(cuts(&[]), [0i64; 0]);
    }

    #[test]
    fn frame_that_stands_out_is_a_cut() {
        assert_eq!(cuts(&[(20, frame(20, 0.4, 30.0, 0.4))]), [20]);
        assert_eq!(cuts(&[(39, frame(39, 0.4, 30.0, 0.4))]), [39]);
    }

    #[test]
    fn clear_cut_is_reported_soon_and_once() {
        let mut adaptive = Adaptive::default();
        let mut reported = Vec::new();
        for n in 0..40 {
            let cut = n == 20;
            let (continuity, difference) = if cut { (0.4, 30.0) } else { (0.97, 1.0) };
            let histogram = if cut { 0.4 } else { 0.01 };
            let found = adaptive.push(&frame(n, continuity, difference, histogram));
            reported.extend(found.map(|finding| (finding.at, n)));
        }
        assert_eq!(reported, [(20, 20 + SOON as i64)]);
        assert!(adaptive.finish().is_empty());
    }

    #[test]
    fn picture_that_is_back_after_three_frames_was_interrupted_by_a_flash() {
        let mut back = frame(23, 0.4, 30.0, 0.4);
        back.film.back[2] = 0.97;
        // A flat flash, and one through which the picture is seen.
        let mut bright = frame(20, 0.4, 120.0, 0.9);
        bright.film.relit = 0.85;
        for flash in [flash_of(20, 4.0), bright] {
            assert_eq!(cuts(&[(20, flash), (23, back.clone())]), [0i64; 0]);
        }
    }

    #[test]
    fn frame_among_equally_different_ones_is_no_cut() {
        let shaken: Vec<_> = (10..30).map(|n| (n, frame(n, 0.7, 30.0, 0.1))).collect();
        assert!(!cuts(&shaken).contains(&20));
    }

    #[test]
    fn two_frames_of_one_cut_are_one() {
        let cut = [(20, frame(20, 0.85, 6.0, 0.05)), (21, frame(21, 0.3, 40.0, 0.6))];
        assert_eq!(cuts(&cut), [21]);
    }

    #[test]
    fn same_picture_in_other_light_is_no_cut() {
        let mut light = frame(20, 0.6, 60.0, 0.9);
        light.film.relit = 0.96;
        assert_eq!(cuts(&[(20, light)]), [0i64; 0]);
    }

    #[test]
    fn repeated_flashes_are_no_cuts() {
        let flash = |n| (n, frame(n, 0.2, 90.0, 0.9));
        let flashes: Vec<_> = [14, 15, 17, 19, 21, 22, 24, 25].into_iter().map(flash).collect();
        assert_eq!(cuts(&flashes), [0i64; 0]);
    }

    #[test]
    fn flash_next_to_a_cut_hides_no_cut() {
        let mut end = frame(19, 0.2, 100.0, 0.9);
        end.film.back[0] = 0.97;
        let flash = [(18, frame(18, 0.2, 100.0, 0.9)), (19, end)];
        assert_eq!(cuts(&flash), [0i64; 0]);
        let [first, last] = flash;
        assert_eq!(cuts(&[first, last, (21, frame(21, 0.3, 40.0, 0.6))]), [21]);
    }

    #[test]
    fn flash_that_ends_in_black_has_a_cut_to_black() {
        let lit = |n: i64, difference, histogram, contrast| {
            let mut measures = frame(n, 1.0 - histogram * 0.7, difference, histogram);
            measures.film.contrast = contrast;
            (n, measures)
        };
        let mut flash = vec![lit(18, 120.0, 1.0, 8.0), lit(19, 0.5, 0.0, 8.0)];
        flash.extend([lit(20, 0.5, 0.0, 8.0), lit(21, 190.0, 1.0, 0.0)]);
        flash.extend((22..40).map(|n| lit(n, 0.0, 0.0, 0.0)));
        assert_eq!(cuts(&flash), [21]);
    }

    #[test]
    fn cut_within_a_fade_is_a_cut() {
        let fading = |n| {
            let mut measures = frame(n, 0.9, 15.0, 0.6);
            (measures.film.relit, measures.film.evened) = (0.97, Some((0.8, 0.05)));
            (n, measures)
        };
        let mut fade: Vec<_> = (10..30).map(fading).collect();
        assert_eq!(cuts(&fade), [0i64; 0]);
        let mut cut = frame(20, 0.4, 25.0, 0.4);
        (cut.film.relit, cut.film.evened) = (0.45, Some((20.0, 0.35)));
        fade[10].1 = cut;
        assert_eq!(cuts(&fade), [20]);
    }

    #[test]
    fn shot_of_seven_frames_has_a_cut_at_both_ends() {
        let cut = |n| (n, frame(n, 0.4, 30.0, 0.4));
        assert_eq!(cuts(&[cut(10), cut(17), cut(24)]), [10, 17, 24]);
    }

    #[test]
    fn fade_from_black_is_no_cut_and_cut_from_black_is_one() {
        let picture = |n, contrast| {
            let mut measures = frame(n, 0.98, 8.0, 0.1);
            measures.film.contrast = contrast;
            (n, measures)
        };
        let first = |contrast| {
            let mut measures = frame(15, 0.05, 20.0, 0.9);
            measures.film.contrast = contrast;
            (15, measures)
        };
        let black: Vec<_> = (8..15).map(|n| picture(n, 0.0)).collect();
        let rising = (16..20).map(|n| picture(n, 5.0 * (n - 14) as f32));
        let mut faded = black.clone();
        faded.push(first(5.0));
        faded.extend(rising);
        assert!(!cuts(&faded).contains(&15));
        let mut cut = black;
        cut.push(first(50.0));
        assert!(cuts(&cut).contains(&15));
    }
}
