//! Anchors place the time stamps of a stream on the timeline of its session: the only way from one
//! clock to the other, in both directions.

use std::ops::Range;

use cht_ts::{Pts, time::TICKS_PER_SECOND};

use crate::event::{Anchor, Jump};

/// Shortest step back in decoding order that B-frames and reordered arrival cannot explain, in
/// ticks.
pub(super) const MAX_BACK: i64 = 2 * TICKS_PER_SECOND;
/// Longest step ahead that needs no explanation, in ticks.
pub(super) const MAX_AHEAD: i64 = 60 * TICKS_PER_SECOND;
/// Longest rest of a picture that only its time stamps show, in ticks.
pub const MAX_REST: i64 = 3600 * TICKS_PER_SECOND;

impl Anchor {
    /// Returns the anchor of a segment whose first PTS is at `offset`.
    #[must_use]
    pub fn first(pts: Pts, offset: i64) -> Self {
        Self { pts: pts.ticks(), offset }
    }

    /// Returns its value of the stream's clock.
    #[must_use]
    pub fn clock(&self) -> Pts {
        Pts::new(self.pts)
    }

    /// Returns the session's tick of a PTS of this segment.
    #[must_use]
    pub fn place(&self, pts: Pts) -> i64 {
        self.offset + pts.since(self.clock())
    }

    /// Returns the session's tick of a PTS that lies near the session's tick `reference`, however
    /// far from the anchor.
    #[must_use]
    pub fn place_near(&self, reference: i64, pts: Pts) -> i64 {
        let shift = self.pts - self.offset;
        pts.near(reference + shift) - shift
    }

    /// Returns the session's tick of an unwrapped PTS, which may be further from the anchor than
    /// half a wrap.
    #[must_use]
    pub fn place_unwrapped(&self, pts: i64) -> i64 {
        self.offset + (pts - self.pts)
    }

    /// Returns the PTS at a tick of the session, unwrapped.
    #[must_use]
    pub fn pts_at(&self, tick: i64) -> i64 {
        self.pts + (tick - self.offset)
    }

    /// Returns the same line through another of its points: the anchor of a later segment.
    #[must_use]
    pub fn moved_to(&self, pts: Pts) -> Self {
        Self { pts: pts.near(self.pts), offset: self.place(pts) }
    }

    /// Returns the anchor of bytes that begin within the picture of this one: a tick later, because
    /// the picture belongs to the segment in which it begins.
    #[must_use]
    pub fn within_picture(&self) -> Self {
        Self { pts: self.pts + 1, offset: self.offset + 1 }
    }

    /// Returns the same point for a clock that is `ticks` ahead of the anchor's.
    #[must_use]
    pub fn for_clock_ahead_by(&self, ticks: i64) -> Self {
        Self { pts: self.pts + ticks, ..*self }
    }

    /// Divides a segment that begins at this anchor where its clock jumps: the bytes of each part,
    /// and its anchor.
    #[must_use]
    pub fn parts(&self, jumps: &[Jump]) -> Vec<(Range<u64>, Self)> {
        let begins = std::iter::once((0, *self));
        let begins: Vec<_> =
            begins.chain(jumps.iter().map(|jump| (jump.byte, jump.timeline))).collect();
        let end = |n: usize| begins.get(n + 1).map_or(u64::MAX, |(next, _)| *next);
        begins.iter().enumerate().map(|(n, &(from, anchor))| (from..end(n), anchor)).collect()
    }

    /// Tells whether both are points of one line, so that one decoder can run through.
    #[must_use]
    pub fn continues(&self, next: &Self) -> bool {
        self.place(next.clock()) == next.offset
    }
}

/// Tells whether `dts` lies further before `previous` than any order of pictures explains.
pub(super) fn is_back(previous: Pts, dts: Pts) -> bool {
    dts.since(previous) < -MAX_BACK
}
