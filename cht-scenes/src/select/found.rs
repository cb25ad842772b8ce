//! Describes a selected frame for its event.

use cht_core::event::{self, Reason, rounded};
use cht_detect::{Cause, Detector, Kind, Selection};
use cht_ts::time::seconds;

/// Describes a selected frame.
#[derive(Debug)]
pub(crate) struct Found {
    pub reason: Reason,
    pub detector: Option<event::Detector>,
    pub scores: event::Scores,
    /// Start of the change, in seconds on the session's timeline.
    pub change: Option<f64>,
    /// Number of kept frames back to one with the same picture.
    pub returned: Option<usize>,
}

impl Found {
    /// Describes a selection that the frame at `at` shows, with the scene score `score`, and the
    /// same picture as the kept frame `returned` frames ago. A frame without a change returns to
    /// nothing.
    pub(crate) fn of(selection: &Selection, at: i64, score: f64, returned: Option<usize>) -> Self {
        let strength = |detector| {
            selection
                .detector
                .filter(|&found| found == detector)
                .map(|_| rounded(selection.strength))
        };
        let scores = event::Scores {
            scene: score,
            adaptive: strength(Detector::Adaptive),
            screen: strength(Detector::Screen),
        };
        let change = selection.detector.map(|_| seconds(selection.since.min(at)));
        let returned = returned.filter(|_| change.is_some());
        let detector = selection.detector.map(|detector| match detector {
            Detector::Scene => event::Detector::Scene,
            Detector::Adaptive => event::Detector::Adaptive,
            Detector::Screen => event::Detector::Screen,
        });
        Self { reason: reason(selection.cause), detector, scores, change, returned }
    }
}

/// Returns the reason that an event gives.
pub(crate) fn reason(cause: Cause) -> Reason {
    match cause {
        Cause::First => Reason::First,
        Cause::Interval => Reason::Interval,
        Cause::Found(Kind::Cut) => Reason::Scene,
        Cause::Found(Kind::Gradual) => Reason::Gradual,
        Cause::Found(Kind::Rest) => Reason::Screen,
    }
}
