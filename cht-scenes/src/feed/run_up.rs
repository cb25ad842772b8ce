//! What is decoded before a segment, for its effect on the first frames: where the last one was done by an earlier run of the program.

use std::path::Path;

use cht_core::{
    event::{Anchor, EndReason, Segment},
    record::Record,
    segment::Windows,
    session::Session,
};

use crate::store::Checkpoint;

/// How many segments a run-up has at most: a stream without keyframes would have all of them.
const MOST_RUN_UP: usize = 32;

/// A segment of the run-up.
pub(super) struct Before {
    pub seq: u64,
    pub anchor: Anchor,
    pub path: String,
    pub windows: Windows,
}

/// The segments to decode before one at `next`, the `last` of which was done: one, or as many as it takes to begin
/// with a keyframe where cht-recv had to cut within a group of pictures. None if they do not lead there.
pub(super) fn run_up(last: &Checkpoint, next: Anchor) -> Vec<Before> {
    let before = |seq, anchor: Option<Anchor>, path: &str| {
        let anchor = anchor.filter(|anchor| anchor.continues(&next))?;
        let windows = Windows::open(Path::new(path)).ok()?;
        Some(Before { seq, anchor, path: path.to_owned(), windows })
    };
    let Some(nearest) = before(last.done.seq, last.anchor, &last.path) else { return Vec::new() };
    let record = Session::of_segment(Path::new(&last.path)).map(|session| Record::of(&session));
    let mut segments = vec![nearest];
    let connection = record.as_ref().and_then(|record| Some(record.get(last.done.seq)?.connection));
    for earlier in record.iter().flat_map(|record| record.kept().rev()) {
        let Some(first) = segments.last().filter(|_| segments.len() < MOST_RUN_UP) else { break };
        if earlier.seq >= first.seq {
            continue;
        }
        if earlier.seq + 1 != first.seq
            || Some(earlier.connection) != connection
            || !earlier.end_reason.is_within_pictures()
        {
            break;
        }
        let Some(segment) = before(earlier.seq, earlier.timeline, &earlier.path) else { break };
        segments.push(segment);
    }
    segments.reverse();
    segments
}

/// Whether the segment before this one was ended for its size.
pub(super) fn began_within_a_picture(segment: &Segment) -> bool {
    let session = Session::of_segment(Path::new(&segment.path));
    let record = session.map(|session| Record::of(&session));
    record.as_ref().and_then(|record| record.get(segment.seq.checked_sub(1)?)).is_some_and(
        |before| {
            before.end_reason == EndReason::MaxBytes
                && Some(before.connection) == segment.connection
        },
    )
}
