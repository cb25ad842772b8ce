//! Anchors place the time stamps of a stream on the timeline of its session.

use cht_ts::time::{TICKS_PER_SECOND, difference33};

use crate::event::Anchor;

/// Shortest step back in decoding order that B-frames and reordered arrival cannot explain, in
/// ticks.
pub(super) const MAX_BACK: i64 = 2 * TICKS_PER_SECOND;
/// Longest step ahead that needs no explanation, in ticks.
pub(super) const MAX_AHEAD: i64 = 60 * TICKS_PER_SECOND;
/// Longest rest of a picture that only its time stamps show, in ticks.
pub(super) const MAX_REST: i64 = 3600 * TICKS_PER_SECOND;

impl Anchor {
    /// Returns the session's tick of a PTS of this segment, 33 bits or unwrapped.
    #[must_use]
    pub fn place(&self, pts: i64) -> i64 {
        self.offset + difference33(self.pts, pts as u64)
    }

    /// Returns the same line through another of its points: the anchor of a later segment.
    #[must_use]
    pub fn moved_to(&self, pts: i64) -> Self {
        Self { pts, offset: self.place(pts) }
    }

    /// Tells whether both are points of one line, so that one decoder can run through.
    #[must_use]
    pub fn continues(&self, next: &Self) -> bool {
        self.place(next.pts) == next.offset
    }
}

/// Tells whether `dts` lies further before `previous` than any order of pictures explains, both in
/// ticks.
pub(super) fn is_back(previous: i64, dts: u64) -> bool {
    difference33(previous, dts) < -MAX_BACK
}
