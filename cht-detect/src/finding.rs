//! Findings of the detectors.

use serde::{Deserialize, Serialize};

/// The detectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// ffmpeg's scene score above a threshold, which is decided elsewhere.
    Scene,
    /// The one for film and camera.
    Adaptive,
    /// The one for screens.
    Screen,
}

/// A finding of a detector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The frame that shows it: the first of a new shot, or the first that rests.
    pub at: i64,
    /// When the change began.
    pub since: i64,
    /// Kind of change.
    pub kind: Kind,
    /// How sure, or how much, 0 to 1.
    pub strength: f64,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A cut.
    Cut,
    /// The end of a dissolve or a fade.
    Gradual,
    /// A screen that rests after a change.
    Rest,
}

impl Finding {
    pub(crate) fn cut(at: i64, strength: f64) -> Self {
        Self { at, since: at, kind: Kind::Cut, strength }
    }

    pub(crate) fn gradual(at: i64, since: i64) -> Self {
        Self { at, since, kind: Kind::Gradual, strength: 1.0 }
    }
}
