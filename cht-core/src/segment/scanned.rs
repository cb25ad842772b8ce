//! Results of scanning one segment: everything that its bytes determine, and nothing of its place
//! among others. Pure.

use serde::{Deserialize, Serialize};

use crate::{
    event::{Anchor, Jump, Segment},
    timeline::Span,
};
use cht_ts::{
    Pts,
    time::{is_time, seconds},
};

/// Results of scanning one segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scanned {
    /// The segment, without number, path and place.
    pub(super) segment: Segment,
    /// The clock of its video.
    pub(super) span: Option<Span>,
    /// Where that clock jumps, with offsets from the first picture.
    pub(super) jumps: Vec<Jump>,
}

impl Scanned {
    /// Returns the size of the file in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.segment.bytes
    }

    /// Tells whether its numbers can be computed with; a file may contain anything.
    pub(super) fn is_plausible(&self) -> bool {
        let is_length = |ticks: i64| ticks >= 0 && is_time(ticks);
        self.span.is_none_or(|span| {
            is_length(span.length) && is_length(span.until_jump) && is_length(span.frame)
        }) && self
            .jumps
            .iter()
            .all(|jump| is_time(jump.timeline.pts) && is_time(jump.timeline.offset))
    }

    /// Returns the segment with its number, path and place on the timeline.
    pub(super) fn placed(
        self,
        seq: u64,
        path: String,
        connection: Option<u32>,
        timeline: Option<Anchor>,
    ) -> Segment {
        let Self { segment, span, jumps } = self;
        // Without a place the segment's own first PTS is the best there is.
        let anchor = timeline.or_else(|| span.map(|span| Anchor::first(span.first_pts, 0)));
        let first = span.zip(anchor).map(|(span, anchor)| span.first_pts.near(anchor.pts));
        Segment {
            seq,
            path,
            connection,
            timeline: anchor,
            first_pts: first,
            // On the line of the anchor: where the clock jumps, another one begins.
            last_pts: first.zip(span).map(|(first, span)| first + span.until_jump),
            start: first.zip(anchor).map(|(first, anchor)| seconds(anchor.place(Pts::new(first)))),
            jumps: placed_jumps(&jumps, anchor, span),
            ..segment
        }
    }
}

/// Returns where the clock jumps, with offsets on the timeline that the segment has its place on.
fn placed_jumps(jumps: &[Jump], anchor: Option<Anchor>, span: Option<Span>) -> Vec<Jump> {
    let Some((anchor, span)) = anchor.zip(span) else { return Vec::new() };
    let begin = anchor.place(span.first_pts);
    let placed = |jump: &Jump| {
        let Anchor { pts, offset } = jump.timeline;
        Jump { byte: jump.byte, timeline: Anchor { pts, offset: begin + offset } }
    };
    jumps.iter().map(placed).collect()
}
