//! Frames that are to be kept, and cause.

use serde::{Deserialize, Serialize};

use crate::{Detector, Kind};

/// Why a frame was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// It is the first.
    First,
    /// A detector found it.
    Found(Kind),
    /// There was none for the longest time allowed.
    Interval,
}

/// A frame to keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Its time.
    pub at: i64,
    /// A picture of any frame up to this one may show it.
    pub by: i64,
    /// When the change began.
    pub since: i64,
    /// Reason.
    pub cause: Cause,
    /// Detector that found it; `None` for the first frame and for an interval.
    pub detector: Option<Detector>,
    /// 0 to 1.
    pub strength: f64,
}

impl Selection {
    /// Tells whether it shows something that has come to rest.
    pub(crate) fn rests(&self) -> bool {
        self.cause == Cause::Found(Kind::Rest)
    }

    /// Tells whether it replaces the frame of an interval that any frame up to `by` may show.
    pub(crate) fn takes_place_of(&self, by: i64) -> bool {
        matches!(self.cause, Cause::Found(_)) && self.at <= by
    }
}
