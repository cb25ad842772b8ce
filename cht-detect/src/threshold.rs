//! The rule of [`Detector::Scene`](crate::Detector): a pure function over the times and
//! scores of all frames, in order.
//!
//! - The first frame is kept.
//! - A frame whose score is above the threshold is a **cut** and is kept, unless another cut was
//!   kept less than `min_gap` before: then it waits, and the first frame after the gap is kept for
//!   it. So a flash or a quick succession of cuts gives few frames, and the picture after them is
//!   never lost. Only frames that are cuts themselves start a gap: neither an interval frame nor
//!   one kept for a waiting cut hides a cut.
//! - A frame that comes `max_interval` or more after the last kept one is kept.
//!
//! `Pacing` paces the findings of the other detectors by another rule: it takes the picture of an
//! interval early, keeps a waiting cut at the end of the stream, and starts a gap at a new picture
//! size. This rule can be written in ffmpeg's language, so the decoder hands over no picture that
//! is not kept.

use serde::{Deserialize, Serialize};

use crate::{Cause, Detector, Kind, Selection, measure::Measures};

/// State that the next decision depends on, saved at the end of each segment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Time at which a frame was last kept, on the session's timeline.
    pub last_kept: Option<i64>,
    /// Time at which a cut was last kept.
    pub last_cut: Option<i64>,
    /// The highest score among the cuts that wait for the end of the gap.
    pub waiting: Option<f64>,
}

/// The rule and its state, times in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    /// Score above which a frame is a cut.
    pub threshold: f64,
    /// Longest time without a kept frame; 0 for no limit.
    pub max_interval: i64,
    /// Least time from a kept cut to the next.
    pub min_gap: i64,
    /// State after the last frame.
    pub state: State,
    /// State after the last frame if that has no picture to be kept.
    missed: State,
}

impl Threshold {
    /// Continues from this state.
    pub(crate) fn new(threshold: f64, min_gap: i64, max_interval: i64, state: State) -> Self {
        Self { threshold, max_interval, min_gap, state, missed: state }
    }

    /// Takes the next frame. Returns it if it is kept, with its score, or that of the cut that it
    /// stands for.
    pub(crate) fn push(&mut self, measures: &Measures) -> Option<Selection> {
        let Measures { at, score, resized, .. } = *measures;
        let Self { state, missed, .. } = self;
        let is_cut = score > self.threshold;
        if resized && state.last_kept.is_some() {
            // Another picture for sure, and no score can tell.
            state.waiting = Some(1.0);
        }
        if is_cut {
            state.waiting = Some(state.waiting.map_or(score, |waiting| waiting.max(score)));
        }
        *missed = *state;
        let gap_is_over = state.last_cut.is_none_or(|last| at - last >= self.min_gap);
        let due = |last| self.max_interval > 0 && at - last >= self.max_interval;
        let (cause, strength) = match (state.last_kept, state.waiting) {
            (None, waiting) => (Cause::First, waiting.unwrap_or(score)),
            (_, Some(waiting)) if gap_is_over => (Cause::Found(Kind::Cut), waiting),
            (Some(last), _) if due(last) => (Cause::Interval, score),
            _ => return None,
        };
        state.last_kept = Some(at);
        if cause != Cause::Interval {
            state.waiting = None;
        }
        let is_found = cause == Cause::Found(Kind::Cut);
        if is_found && is_cut {
            state.last_cut = Some(at);
        }
        let detector = is_found.then_some(Detector::Scene);
        Some(Selection { at, by: at, since: at, cause, detector, strength })
    }

    /// Takes the last frame back, which has no picture: the rule is still due at the next one.
    pub(crate) fn take_back(&mut self) {
        self.state = self.missed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: Cause = Cause::Found(Kind::Cut);

    /// Runs the detector over (time, score) pairs and lists what it keeps.
    fn keep(frames: &[(i64, f64)]) -> Vec<(i64, Cause)> {
        let mut threshold = Threshold::new(0.1, 20, 300, State::default());
        let decide = |&(at, score): &(i64, f64)| {
            let kept = threshold.push(&Measures { at, score, ..Measures::default() });
            kept.map(|kept| (kept.at, kept.cause))
        };
        frames.iter().filter_map(decide).collect()
    }

    #[test]
    fn a_still_picture_gives_the_first_and_one_each_interval() {
        let frames: Vec<_> = (0..70).map(|n| (n * 10, 0.0)).collect();
        let expected = [(0, Cause::First), (300, Cause::Interval), (600, Cause::Interval)];
        assert_eq!(keep(&frames), expected);
    }

    #[test]
    fn the_threshold_is_exclusive() {
        assert_eq!(keep(&[(0, 0.0), (50, 0.1), (60, 0.100_001)]).len(), 2);
    }

    #[test]
    fn neither_the_first_nor_an_interval_frame_hides_a_cut() {
        let kept = keep(&[(0, 0.0), (1, 0.5), (301, 0.0), (302, 0.4)]);
        let reasons: Vec<_> = kept.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(reasons, [Cause::First, CUT, Cause::Interval, CUT]);
    }

    #[test]
    fn a_cut_within_the_gap_waits_for_its_end() {
        let frames =
            [(0, 0.0), (100, 0.9), (105, 0.3), (110, 0.0), (119, 0.0), (121, 0.0), (130, 0.0)];
        assert_eq!(keep(&frames), [(0, Cause::First), (100, CUT), (121, CUT)]);
    }

    #[test]
    fn a_cut_right_behind_a_frame_that_waited_is_kept() {
        let frames = [(0, 0.0), (100, 0.9), (105, 0.3), (121, 0.0), (125, 0.8)];
        let kept: Vec<_> = keep(&frames).into_iter().map(|(at, _)| at).collect();
        assert_eq!(kept, [0, 100, 121, 125]);
    }

    #[test]
    fn a_score_on_the_first_frame_is_no_second_cut() {
        assert_eq!(keep(&[(0, 0.5), (1, 0.0)]).len(), 1);
    }
}
