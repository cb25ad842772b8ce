//! The rule of [`Detector::Scene`](crate::Detector::Scene): a pure function over the times and
//! scores of all frames, in order.
//!
//! - The first frame is kept.
//! - A frame whose score is above the threshold is a **cut** and is kept, unless another cut was
//!   kept less than `min_gap` before: then it waits, and the first frame after the gap is kept for
//!   it. So a flash or a quick succession of cuts gives few frames, and the picture after them is
//!   never lost. Only frames that are cuts themselves start a gap: neither an interval frame nor
//!   one kept for a waiting cut hides a cut.
//! - A frame that comes `max_interval` or more after the last kept one is kept.

use serde::{Deserialize, Serialize};

use crate::{Cause, Kind};

/// Rules, times in ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Score above which a frame is a cut.
    pub threshold: f64,
    /// Longest time without a kept frame; 0 for no limit.
    pub max_interval: i64,
    /// Least time from a kept cut to the next.
    pub min_gap: i64,
}

/// A frame whose score is above the threshold, or that stands for one.
const CUT: Cause = Cause::Found(Kind::Cut);

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

/// A frame to keep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kept {
    /// Why it is kept: as the first, for a cut, or for the interval.
    pub cause: Cause,
    /// The score of the frame, or of the cut that it stands for.
    pub score: f64,
}

impl State {
    /// Decides on the frame at `at` (ticks).
    pub fn decide(&mut self, rules: &Rules, at: i64, score: f64) -> Option<Kept> {
        if score > rules.threshold {
            self.waiting = Some(self.waiting.map_or(score, |waiting| waiting.max(score)));
        }
        let gap_is_over = self.last_cut.is_none_or(|last| at - last >= rules.min_gap);
        let due = |last| rules.max_interval > 0 && at - last >= rules.max_interval;
        let kept = match (self.last_kept, self.waiting) {
            (None, waiting) => Kept { cause: Cause::First, score: waiting.unwrap_or(score) },
            (_, Some(score)) if gap_is_over => Kept { cause: CUT, score },
            (Some(last), _) if due(last) => Kept { cause: Cause::Interval, score },
            _ => return None,
        };
        self.last_kept = Some(at);
        if kept.cause != Cause::Interval {
            self.waiting = None;
        }
        if kept.cause == CUT && score > rules.threshold {
            self.last_cut = Some(at);
        }
        Some(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { threshold: 0.1, max_interval: 300, min_gap: 20 };

    /// Runs the detector over (time, score) pairs and lists what it keeps.
    fn keep(frames: &[(i64, f64)]) -> Vec<(i64, Cause)> {
        let mut state = State::default();
        let decide = |&(at, score): &(i64, f64)| {
            state.decide(&RULES, at, score).map(|kept| (at, kept.cause))
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
