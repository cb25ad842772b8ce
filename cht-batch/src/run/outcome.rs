//! How the work on a unit ended.

use serde::Serialize;

use super::translate::Counts;

/// How the work on a unit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// An earlier run had done it.
    Before,
    /// It was done, and its result is there.
    Done,
    /// The same, but for some inputs.
    Partial,
    /// An earlier run had done it, but for some inputs, or found that it fails.
    PartialBefore,
    FailedBefore,
    /// No result can be made of it.
    Failed,
    /// Another run works on it.
    Busy,
    /// It has to be tried again: killed, no room, interrupted.
    Retry,
}

impl End {
    /// Returns whether some input of the unit failed for good.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Partial | Self::PartialBefore | Self::Failed | Self::FailedBefore)
    }

    /// Returns whether a later run may do what this one could not.
    pub(crate) fn is_to_be_retried(self) -> bool {
        matches!(self, Self::Busy | Self::Retry)
    }

    /// Returns whether this run has worked on the unit.
    pub(crate) fn is_work(self) -> bool {
        matches!(self, Self::Done | Self::Partial | Self::Failed | Self::Retry)
    }

    /// Returns a word for people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Before => "done before",
            Self::Done => "done",
            Self::Partial => "done in part",
            Self::PartialBefore => "done in part before",
            Self::FailedBefore => "failed before",
            Self::Failed => "failed",
            Self::Busy => "left to another run, which works on it",
            Self::Retry => "to be tried again",
        }
    }
}

/// How the work on a unit ended, and what it gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub end: End,
    pub counts: Counts,
    /// Why it has to be tried again.
    pub reason: Option<String>,
}

impl Outcome {
    pub(crate) fn new(end: End) -> Self {
        Self { end, counts: Counts::default(), reason: None }
    }

    /// Returns that a unit has to be tried again.
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(End::Retry) }
    }
}
