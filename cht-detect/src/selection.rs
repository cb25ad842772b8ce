//! Frames that are to be kept, and why.

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

/// A frame that is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// The frame.
    pub at: i64,
    /// A picture of a frame up to this one will do.
    pub by: i64,
    /// When the change began.
    pub since: i64,
    /// Why.
    pub cause: Cause,
    /// Who says so; nobody for the first and for an interval.
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
