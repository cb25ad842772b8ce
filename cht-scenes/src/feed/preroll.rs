//! What is decoded before a segment, for its effect on the first frames: where the last one was done by an earlier run of the program.

use std::path::Path;

use cht_core::{
    event::{Anchor, EndReason},
    session::{
        Session,
        finished_segment::{FinishedSegment, Windows},
        segment_log::SegmentLog,
    },
};

use crate::select::{journal::Checkpoint, succession::Position};

/// How many segments a run-up has at most: a stream without keyframes would have all of them.
const MOST_RUN_UP: usize = 32;

/// A segment of the run-up.
pub(super) struct Before {
    pub seq: u64,
    pub anchor: Anchor,
    pub path: String,
    /// Where its last part begins, in bytes: there its clock jumped for the last time.
    pub from: u64,
    /// Its bytes; none where it is not decoded.
    pub windows: Option<Windows>,
}

/// The segment that was dealt with last: an earlier run may have done one between the last one and the next.
pub(super) fn nearest(last: Checkpoint, replayed: Option<Checkpoint>) -> Checkpoint {
    let leads = |replayed: &Checkpoint| {
        let (last_anchor, anchor) = last.anchor.zip(replayed.anchor)?;
        let place = Position { path: &replayed.path, anchor };
        Some(
            last.path != replayed.path
                && Position { path: &last.path, anchor: last_anchor }.leads_to(&place),
        )
    };
    match replayed {
        Some(replayed) if leads(&replayed) == Some(true) => replayed,
        _ => last,
    }
}

/// The segments to decode before the one at `next`, the `last` of which was done: one, or as many as it takes to begin
/// with a keyframe where cht-recv had to cut within a group of pictures. None if they do not lead there.
pub(super) fn run_up(last: &Checkpoint, next: Position<'_>) -> Vec<Before> {
    let before = |seq, anchor, path: &str, from| before(seq, anchor, path, from, next);
    let Some(nearest) = before(last.done.seq, last.anchor, &last.path, last.from) else {
        return Vec::new();
    };
    let first = last.done.seq.saturating_sub(MOST_RUN_UP as u64);
    let session = Session::of_segment(Path::new(&last.path));
    let record = session.map(|session| SegmentLog::since(&session, first));
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
        let Some(segment) = before(earlier.seq, earlier.timeline, &earlier.path, 0) else { break };
        segments.push(segment);
    }
    segments.reverse();
    segments
}

/// Puts one more segment before a run-up of one: of each only a keyframe may be decoded, and a score needs two frames
/// before it.
pub(super) fn two_frames(earlier: Option<&Checkpoint>, mut run_up: Vec<Before>) -> Vec<Before> {
    if let ([first], Some(earlier)) = (&run_up[..], earlier)
        && earlier.done.seq + 1 == first.seq
        && let Some(earlier) =
            before(earlier.done.seq, earlier.anchor, &earlier.path, earlier.from, first.place())
    {
        run_up.insert(0, earlier);
    }
    run_up
}

impl Before {
    fn place(&self) -> Position<'_> {
        Position { path: &self.path, anchor: self.anchor }
    }
}

/// A segment of a run-up to what lies at `next`, if it leads there and can be read.
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

/// Puts the segments that are done once more before a run-up: frames are chosen in them, and none is decoded.
pub(super) fn unsure(unsure: &[Checkpoint], run_up: Vec<Before>) -> Vec<Before> {
    let Some(first) = run_up.first() else { return run_up };
    let earlier = unsure.iter().filter(|unsure| unsure.done.seq < first.seq).filter_map(|unsure| {
        let (seq, path, from) = (unsure.done.seq, &unsure.path, unsure.from);
        let anchor = unsure.anchor?;
        let leads = Position { path, anchor }.leads_to(&first.place());
        leads.then(|| Before { seq, anchor, path: path.clone(), from, windows: None })
    });
    let earlier: Vec<_> = earlier.collect();
    earlier.into_iter().chain(run_up).collect()
}

/// Whether the segment before the one at `path` was ended for its size, or by the disk.
pub(super) fn began_within_a_picture(path: &str, seq: u64, connection: Option<u32>) -> bool {
    let session = Session::of_segment(Path::new(path));
    let log = session.map(|session| SegmentLog::since(&session, seq.saturating_sub(1)));
    log.as_ref().and_then(|log| log.get(seq.checked_sub(1)?)).is_some_and(|before| {
        matches!(before.end_reason, EndReason::MaxBytes | EndReason::Disk)
            && Some(before.connection) == connection
    })
}
