//! What the picker is told, and what it says about a frame.

use std::time::Duration;

use cht_core::event::{self, Anchor, Reason, SegmentDone};
use cht_detect::{Cause, Detector, Kind, Selection};
use cht_ts::{Codec, time::seconds};

use super::detectors::Saved;
use crate::{
    decode::{frames::Frames, message::Writes},
    input::Part,
};

/// A segment on its way through.
#[derive(Debug)]
pub(crate) struct Segment {
    pub part: Part,
    /// Its size, once it was fed to its end.
    pub bytes: Option<u64>,
    /// Some of it is to be decoded.
    pub has_frames: bool,
    pub frames: u64,
    pub decoded: u64,
    /// What was known behind its last frame; frames that follow may still bring choices in it.
    pub end: Option<Snapshot>,
    /// Its event, where frames of it were taken back and it is done once more.
    pub again: Option<SegmentDone>,
}

/// What a checkpoint says about the future.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub saved: Option<Saved>,
    pub next_id: u64,
    /// Frames that have followed.
    pub followed: usize,
}

/// A segment that is done.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub seq: u64,
    /// Its final path.
    pub path: String,
    pub bytes: u64,
    /// Frames kept.
    pub frames: u64,
    pub decoded: u64,
    pub anchor: Option<Anchor>,
    /// Where the part begins that the anchor is of, in bytes.
    pub from: u64,
    pub pid: Option<u16>,
    pub codec: Option<Codec>,
    pub ahead: i64,
    /// The number of the next frame behind its end; that of the next frame of all if absent.
    pub next_id: Option<u64>,
    /// The number of the first frame that was chosen because nothing followed.
    pub provisional_from: Option<u64>,
}

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

/// One decoder's output.
pub(crate) struct Run<'a> {
    pub frames: Frames,
    pub pid: u16,
    /// A decoder that has input and neither takes it nor says anything for so long is stopped.
    pub timeout: Duration,
    pub writes: &'a Writes,
}

impl Found {
    /// What an event says about a choice that is shown by the frame at `at`, whose scene score is `score`, and which shows the same as
    /// the kept frame so many before it. That nothing has changed is no return.
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

fn rounded(strength: f64) -> f64 {
    (strength * 1e6).round() / 1e6
}
