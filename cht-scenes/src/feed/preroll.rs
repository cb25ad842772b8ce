//! Finds the preroll: segments decoded before the next one for their effect on its first frames. An
//! earlier run of the program has done them.

use std::path::Path;

use cht_core::{
    event::{Anchor, EndReason},
    session::{
        Position, Session,
        finished_segment::{FinishedSegment, Windows},
        segment_log::SegmentLog,
    },
};

use crate::select::journal::Checkpoint;

/// Largest number of segments in a preroll: a stream without keyframes would need all.
const MAX_PREROLL: usize = 32;

/// Describes a segment of the preroll.
pub(super) struct Before {
    pub seq: u64,
    pub anchor: Anchor,
    pub path: String,
    /// Start of its last part, in bytes: the last jump of its clock.
    pub from: u64,
    /// Bytes of the segment; none if it is not decoded.
    pub windows: Option<Windows>,
}

/// Returns the segment handled last: an earlier run may have done one between the last one and the
/// next.
pub(super) fn nearest(last: Checkpoint, replayed: Option<Checkpoint>) -> Checkpoint {
    let leads = |replayed: &Checkpoint| {
        let (last_anchor, anchor) = last.anchor.zip(replayed.anchor)?;
        let position = Position { path: &replayed.path, anchor };
        Some(
            last.path != replayed.path
                && Position { path: &last.path, anchor: last_anchor }.leads_to(&position),
        )
    };
    match replayed {
        Some(replayed) if leads(&replayed) == Some(true) => replayed,
        _ => last,
    }
}

/// Returns the segments to decode before the one at `next`, up to the `last` one done: one segment,
/// or, where cht-recv had to cut within a group of pictures, enough to begin with a keyframe.
/// Returns none if they do not lead to `next`.
pub(super) fn preroll(last: &Checkpoint, next: Position<'_>) -> Vec<Before> {
    let before = |seq, anchor, path: &str, from| before(seq, anchor, path, from, next);
    let Some(nearest) = before(last.done.seq, last.anchor, &last.path, last.from) else {
        return Vec::new();
    };
    let first = last.done.seq.saturating_sub(MAX_PREROLL as u64);
    let session = Session::of_segment(Path::new(&last.path));
    let log = session.map(|session| SegmentLog::since(&session, first));
    let mut segments = vec![nearest];
    let connection = log.as_ref().and_then(|log| Some(log.get(last.done.seq)?.connection));
    for earlier in log.iter().flat_map(|log| log.kept().rev()) {
        let Some(first) = segments.last().filter(|_| segments.len() < MAX_PREROLL) else { break };
        if earlier.seq >= first.seq {
            continue;
        }
        if earlier.seq + 1 != first.seq
            || Some(earlier.connection) != connection
            || !earlier.end_reason.is_within_pictures()
        {
            break;
        }
        let Some(segment) = before(earlier.seq, earlier.timeline, &earlier.path, 0) else { break };
        segments.push(segment);
    }
    segments.reverse();
    segments
}

/// Puts one more segment before a preroll of one: each may have a single decoded keyframe, and a
/// score needs two frames before it.
pub(super) fn two_frames(earlier: Option<&Checkpoint>, mut preroll: Vec<Before>) -> Vec<Before> {
    if let ([first], Some(earlier)) = (&preroll[..], earlier)
        && earlier.done.seq + 1 == first.seq
        && let Some(earlier) =
            before(earlier.done.seq, earlier.anchor, &earlier.path, earlier.from, first.position())
    {
        preroll.insert(0, earlier);
    }
    preroll
}

impl Before {
    fn position(&self) -> Position<'_> {
        Position { path: &self.path, anchor: self.anchor }
    }
}

/// Returns a segment of the preroll for `next`, if it leads there and can be read.
fn before(
    seq: u64,
    anchor: Option<Anchor>,
    path: &str,
    from: u64,
    next: Position<'_>,
) -> Option<Before> {
    let anchor = anchor.filter(|&anchor| Position { path, anchor }.leads_to(&next))?;
    let windows = FinishedSegment::open(Path::new(path)).ok()?.windows(&(from..u64::MAX));
    Some(Before { seq, anchor, path: path.to_owned(), from, windows: Some(windows) })
}

/// Puts the segments that are done once more before a preroll: frames are selected in them, and
/// none is decoded.
pub(super) fn unsure(unsure: &[Checkpoint], preroll: Vec<Before>) -> Vec<Before> {
    let Some(first) = preroll.first() else { return preroll };
    let earlier = unsure.iter().filter(|unsure| unsure.done.seq < first.seq).filter_map(|unsure| {
        let (seq, path, from) = (unsure.done.seq, &unsure.path, unsure.from);
        let anchor = unsure.anchor?;
        let leads = Position { path, anchor }.leads_to(&first.position());
        leads.then(|| Before { seq, anchor, path: path.clone(), from, windows: None })
    });
    let earlier: Vec<_> = earlier.collect();
    earlier.into_iter().chain(preroll).collect()
}

/// Returns whether the segment before the one at `path` was ended for its size, or by the disk.
pub(super) fn began_within_a_picture(path: &str, seq: u64, connection: Option<u32>) -> bool {
    let session = Session::of_segment(Path::new(path));
    let log = session.map(|session| SegmentLog::since(&session, seq.saturating_sub(1)));
    log.as_ref().and_then(|log| log.get(seq.checked_sub(1)?)).is_some_and(|before| {
        matches!(before.end_reason, EndReason::MaxBytes | EndReason::Disk)
            && Some(before.connection) == connection
    })
}
