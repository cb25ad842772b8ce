//! Detectors: decisions on measures alone.

use serde::{Deserialize, Serialize};

mod adaptive;
mod area;
mod budget;
mod chooser;
mod content;
mod decider;
mod gradual;
mod grid;
mod matcher;
mod pacing;
mod restless;
mod returned;
mod screen;

pub use cht_core::event::Detector;

pub use self::{
    adaptive::{Adaptive, LOOKAHEAD},
    area::Area,
    budget::PerHour,
    chooser::{Choice, Chooser, Rules, Why},
    content::{Content, ContentTracker},
    decider::{Decided, Decider},
    gradual::Gradual,
    matcher::{Matcher, Shown},
    pacing::Suppressed,
    returned::Returned,
    screen::{Screen, ScreenRules},
};

/// What a detector has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The frame that shows it: the first of a new shot, or the first that rests.
    pub at: i64,
    /// When the change began.
    pub since: i64,
    /// What it is.
    pub kind: Kind,
    /// How sure, or how much, 0 to 1.
    pub strength: f64,
}

/// What was found.
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
