//! What an event says about a frame that is kept.

use cht_core::event::{self, Reason, rounded};
use cht_detect::{Cause, Detector, Kind, Selection};
use cht_ts::time::seconds;

/// What is said about a frame that is kept.
#[derive(Debug)]
pub(crate) struct Found {
    pub reason: Reason,
    pub detector: Option<event::Detector>,
    pub scores: event::Scores,
    /// Seconds on the session's timeline: when the change began.
    pub change: Option<f64>,
    /// How many kept frames ago the same was shown.
    pub returned: Option<usize>,
}

impl Found {
    /// Describes a selection that is shown by the frame at `at`, whose scene score is `score`, and
    /// which shows the same as the kept frame `returned` frames ago. Where nothing has changed,
    /// nothing has returned.
    pub(crate) fn of(choice: &Selection, at: i64, score: f64, returned: Option<usize>) -> Self {
        let strength = |detector| {
            choice.detector.filter(|&found| found == detector).map(|_| rounded(choice.strength))
        };
        let scores = event::Scores {
            scene: score,
            adaptive: strength(Detector::Adaptive),
            screen: strength(Detector::Screen),
        };
        let change = choice.detector.map(|_| seconds(choice.since.min(at)));
        let returned = returned.filter(|_| change.is_some());
        let detector = choice.detector.map(|detector| match detector {
            Detector::Scene => event::Detector::Scene,
            Detector::Adaptive => event::Detector::Adaptive,
            Detector::Screen => event::Detector::Screen,
        });
        Self { reason: reason(choice.cause), detector, scores, change, returned }
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
