//! Decides where a piece ends: in a pause, the middle of it.
//!
//! A longer pause is a better place, and waiting for one costs time. So the pause that ends a piece
//! may be the shorter, the longer the piece is: after `min` it takes [`LONG`], at `max` [`SHORT`].
//! Where none was long enough until `max`, the longest one since `min` ends it; without any, the
//! place where speech is least likely does, and in music the quietest one. Words that the detector
//! does not hear are louder than the pauses next to them, so the cut is in the quietest part of its
//! pause. A decision depends on the sound of the piece alone.

use std::ops::Range;

use super::{
    level::levels,
    speech::{FRAME, Frame, RATE},
};

/// Pause that ends a piece after `min`, and at `max`, in frames.
const LONG: usize = frames(0.55);
const SHORT: usize = frames(0.15);

/// Shortest pause that counts at all, in frames: within words there are some of 50 ms.
const SHORTEST: usize = frames(0.08);

/// Most of a pause before a cut, while the pause goes on, and its part after the cut that is waited
/// for, in frames.
const KEPT: usize = frames(0.35);
const SURE: usize = frames(0.2);

/// Silence before the speech that begins a piece, in frames.
const AHEAD: usize = frames(0.25);

/// Part at the end of a piece without a pause that is searched for the place where speech is least
/// likely, in frames, and for the quietest place, where all of it is speech or music.
const SEARCHED: usize = frames(10.0);
const SEARCHED_IN_MUSIC: usize = frames(1.0);

/// Level by which the edge of a pause has to be quieter than its middle to be cut at, in decibels.
const EDGE: f32 = 6.0;

/// Mean probability of speech of a place from which on it says nothing.
const CERTAIN: f32 = 0.9;

/// Frames that together make a place: a syllable, and a gap between two.
const PLACE: usize = 9;
const GAP: usize = 5;

const fn frames(seconds: f64) -> usize {
    (seconds * RATE as f64 / FRAME as f64) as usize
}

/// Limits of a piece, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    min: usize,
    max: usize,
}

impl Limits {
    /// Creates limits of seconds.
    pub(crate) fn of_seconds(min: f64, max: f64) -> Self {
        let length = FRAME as f64 / f64::from(RATE);
        let min = ((min / length).ceil() as usize).max(1);
        Self { min, max: frames(max).max(min) }
    }

    /// Returns the pause that ends a piece of `length` frames.
    fn enough(&self, length: usize) -> usize {
        let over = length.saturating_sub(self.min).min(self.max - self.min);
        LONG - (LONG - SHORT) * over / (self.max - self.min).max(1)
    }
}

/// Place where a piece ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Frame before which it ends, by speech alone.
    at: usize,
    /// Frames before which it may end instead, where it is quieter.
    among: Range<usize>,
    /// Whether all of them are as good.
    is_even: bool,
}

impl Cut {
    fn exactly(at: usize) -> Self {
        Self { at, among: at..at, is_even: false }
    }

    /// Returns the frame before which the piece ends, by its `samples`.
    pub(crate) fn place(&self, samples: &[f32]) -> usize {
        let levels = levels(samples, self.among.clone(), GAP);
        let half = self.at.abs_diff(self.among.start).max(self.among.end.abs_diff(self.at)).max(1);
        let cost = |(frame, level): (usize, f32)| {
            let off = frame.abs_diff(self.at) as f32 / half as f32;
            (frame, level + if self.is_even { 0.0 } else { EDGE * off * off })
        };
        let places = self.among.clone().zip(levels).map(cost);
        let best = places.fold((self.at, f32::INFINITY), |best, place| {
            let is_nearer = place.0.abs_diff(self.at) < best.0.abs_diff(self.at);
            if place.1 < best.1 || place.1 <= best.1 && is_nearer { place } else { best }
        });
        best.0
    }
}

/// State of the decision within a piece.
#[derive(Debug)]
pub(crate) struct Cutter {
    limits: Limits,
    /// Frames that were looked at.
    seen: usize,
    /// First frame of the pause that goes on.
    pause: Option<usize>,
    /// Whether there was speech.
    has_speech: bool,
    /// The longest pause since `min`: its length, and where it would be cut.
    longest: Option<(usize, Cut)>,
}

impl Cutter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, seen: 0, pause: None, has_speech: false, longest: None }
    }

    /// Looks at the next of the `frames` of the piece. Returns where it ends.
    pub(crate) fn next(&mut self, frames: &[Frame]) -> Option<Cut> {
        let frame = *frames.get(self.seen)?;
        let at = self.seen;
        self.seen += 1;
        let cut = if frame.is_speech() { self.speech(at) } else { self.silence(at) };
        cut.or_else(|| (self.seen >= self.limits.max).then(|| self.last_resort(frames)))
    }

    /// Returns whether frames are left to look at.
    pub(crate) fn is_behind(&self, frames: &[Frame]) -> bool {
        self.seen < frames.len()
    }

    /// Speech at frame `at`: a pause before it has ended.
    fn speech(&mut self, at: usize) -> Option<Cut> {
        let had_speech = std::mem::replace(&mut self.has_speech, true);
        let begin = self.pause.take()?;
        if !had_speech {
            // What came before is silence: the speech begins a piece of its own.
            let cut = at.saturating_sub(AHEAD).max(begin);
            return (cut >= self.limits.min).then(|| Cut::exactly(cut));
        }
        let (length, cut) = self.within(begin, at)?;
        if length >= self.limits.enough(cut.at) {
            return Some(cut);
        }
        self.remember(length, cut);
        None
    }

    /// No speech at frame `at`: a pause that is long enough need not end.
    fn silence(&mut self, at: usize) -> Option<Cut> {
        let begin = *self.pause.get_or_insert(at);
        let cut = (begin + KEPT).max(self.limits.min);
        let is_over = self.has_speech && at + 1 >= cut + SURE;
        is_over.then(|| Cut { at: cut, among: self.among(begin, at + 1), is_even: false })
    }

    /// Returns the frames of a pause where a piece may end.
    fn among(&self, begin: usize, end: usize) -> Range<usize> {
        begin.max(self.limits.min)..end
    }

    /// Returns the length of a pause and the place for a cut in it, if that is not before `min`.
    fn within(&self, begin: usize, end: usize) -> Option<(usize, Cut)> {
        let middle = begin + (end - begin) / 2;
        let cut = middle.max(self.limits.min);
        // A pause that reaches beyond `min` counts by its rest, and the same before it.
        let length = (end.checked_sub(cut)? * 2).min(end - begin);
        let among = self.among(begin, end);
        (length >= SHORTEST).then_some((length, Cut { at: cut, among, is_even: false }))
    }

    fn remember(&mut self, length: usize, cut: Cut) {
        // Of equal pauses the later one: the piece is longer.
        if self.longest.as_ref().is_none_or(|(longest, _)| length >= *longest) {
            self.longest = Some((length, cut));
        }
    }

    /// Returns where a piece ends that came to `max`.
    fn last_resort(&mut self, frames: &[Frame]) -> Cut {
        if let Some(begin) = self.pause {
            if !self.has_speech {
                return Cut::exactly(self.seen);
            }
            if let Some((length, cut)) = self.within(begin, self.seen) {
                self.remember(length, cut);
            }
        }
        if let Some((_, cut)) = self.longest.take() {
            return cut;
        }
        let from = |searched| self.limits.min.max(self.seen.saturating_sub(searched));
        let (at, speech) = least(frames, from(SEARCHED)..self.seen);
        if speech < CERTAIN {
            let among =
                self.among(at.saturating_sub(PLACE / 2), (at + PLACE / 2 + 1).min(self.seen));
            return Cut { at, among, is_even: false };
        }
        Cut { at: self.seen, among: from(SEARCHED_IN_MUSIC)..self.seen, is_even: true }
    }
}

/// Returns the frame in the middle of the place where speech is least likely, and its probability;
/// of equal places the last one.
fn least(frames: &[Frame], part: Range<usize>) -> (usize, f32) {
    let mean = |at: usize| {
        let around = &frames[at.saturating_sub(PLACE / 2)..(at + PLACE / 2 + 1).min(frames.len())];
        around.iter().map(|frame| frame.0).sum::<f32>() / around.len() as f32
    };
    let end = part.end;
    let places = part.map(|at| (at, mean(at)));
    places.fold((end, f32::INFINITY), |best, place| if place.1 <= best.1 { place } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns frames of alternating speech and silence, each so many seconds long.
    fn talk(seconds: &[f64]) -> Vec<Frame> {
        let spans = seconds.iter().enumerate();
        spans
            .flat_map(|(n, seconds)| {
                let speech = if n % 2 == 0 { 0.9 } else { 0.1 };
                std::iter::repeat_n(Frame(speech), (seconds * 62.5) as usize)
            })
            .collect()
    }

    /// Returns when the piece ends and when that is decided, in seconds.
    fn cut(frames: &[Frame]) -> Option<(f64, f64)> {
        let mut cutter = Cutter::new(Limits::of_seconds(5.0, 30.0));
        let seconds = |n: usize| n as f64 / 62.5;
        (0..frames.len()).find_map(|n| Some((seconds(cutter.next(frames)?.at), seconds(n + 1))))
    }

    fn is_near(one: f64, other: f64) -> bool {
        (one - other).abs() < 0.04
    }

    #[test]
    fn long_pause_ends_piece_in_its_middle() {
        let (at, known) = cut(&talk(&[9.0, 0.5, 6.0])).unwrap();
        assert!(is_near(at, 9.25) && is_near(known, 9.5), "{at} {known}");
        let (at, known) = cut(&talk(&[6.0, 60.0])).unwrap();
        assert!(is_near(at, 6.35) && is_near(known, 6.55), "it need not end: {at} {known}");
    }

    #[test]
    fn pause_before_min_is_none() {
        let (at, _) = cut(&talk(&[3.0, 1.0, 8.0, 0.5, 9.0, 1.0, 9.0])).unwrap();
        assert!(is_near(at, 12.25), "{at}");
        let (at, _) = cut(&talk(&[4.5, 1.2, 8.0, 1.0, 9.0])).unwrap();
        assert!((5.0..5.7).contains(&at), "it goes on after min: {at}");
    }

    #[test]
    fn shorter_pause_is_enough_for_a_longer_piece() {
        let talk = talk(&[8.0, 0.26, 8.0, 0.26, 8.0, 0.26, 8.0, 0.26]);
        let (at, known) = cut(&talk).unwrap();
        assert!(is_near(at, 24.65) && known - at < 0.3, "{at} {known}");
    }

    #[test]
    fn longest_pause_ends_piece_at_max() {
        let (at, known) = cut(&talk(&[8.0, 0.12, 8.0, 0.26, 9.0, 0.1, 20.0])).unwrap();
        assert!(is_near(at, 16.25) && is_near(known, 30.0), "{at} {known}");
    }

    #[test]
    fn talk_without_pause_ends_where_speech_is_least_likely() {
        let mut frames = talk(&[40.0]);
        frames[1400..1405].fill(Frame(0.6));
        let (at, _) = cut(&frames).unwrap();
        assert!(is_near(at, 1402.0 / 62.5), "{at}");
        frames.fill(Frame(0.99));
        let mut cutter = Cutter::new(Limits::of_seconds(5.0, 30.0));
        let cut = frames.iter().find_map(|_| cutter.next(&frames)).unwrap();
        assert_eq!((cut.among.clone(), cut.is_even), (1813..1875, true));
    }

    #[test]
    fn silence_before_speech_is_a_piece_of_its_own() {
        let mut frames = talk(&[0.0, 12.0, 5.0]);
        let (at, known) = cut(&frames).unwrap();
        assert!(is_near(at, 11.75) && is_near(known, 12.0), "{at} {known}");
        frames = talk(&[0.0, 3.0, 3.0, 1.0, 3.0]);
        assert!(is_near(cut(&frames).unwrap().0, 6.35), "too short for one");
        let (at, known) = cut(&talk(&[0.0, 99.0])).unwrap();
        assert!(is_near(at, 30.0) && is_near(known, 30.0), "{at} {known}");
    }

    /// Returns samples of 20 frames of noise, with these levels.
    fn samples(levels: impl Fn(usize) -> f32) -> Vec<f32> {
        let mut state = 3_u32;
        let mut sample = |at: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / (1 << 24) as f32 - 0.5) * levels(at / FRAME)
        };
        (0..40 * FRAME).map(&mut sample).collect()
    }

    #[test]
    fn cut_is_in_the_quietest_part_of_its_pause() {
        let cut = Cut { at: 20, among: 5..35, is_even: false };
        assert_eq!(cut.place(&vec![0.0; 40 * FRAME]), 20, "silence: the middle");
        // A word that the detector does not hear, in the middle.
        let at = cut.place(&samples(|frame| if (15..28).contains(&frame) { 0.3 } else { 0.03 }));
        assert!((8..13).contains(&at) || (30..35).contains(&at), "{at}");
        let music = Cut { at: 40, among: 5..40, is_even: true };
        let at = music.place(&samples(|frame| if (9..14).contains(&frame) { 0.03 } else { 0.3 }));
        assert_eq!(at, 11);
        assert_eq!(Cut::exactly(7).place(&[]), 7);
    }
}
