//! Segments of a session that cht-recv's record does not name, as where it was lost: found in the
//! folder by their numbers, and placed on the timeline.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Once,
};

use cht_core::{
    event::{Anchor, Body, Event},
    process::report,
    segment::examine_alone,
    session::{Session, finished_segment::FinishedSegment, segment_log::SegmentLog, sequence},
    storage::journal::Lines,
    terminal::units,
};
use cht_ts::{
    Found, Media, Pts, Scanner,
    time::{TICKS_PER_SECOND, ticks},
};
use serde::Deserialize;

/// Number of pictures of a segment whose times tell where it begins: some are decoded before others
/// that are shown earlier.
const FIRST: usize = 8;

/// Largest distance of a segment from the end of the one before on the same clock, in ticks.
const LARGEST_GAP: i64 = 10 * TICKS_PER_SECOND;

/// Journal of cht-scenes, next to that of the index: at the end of each segment, its path and
/// anchor.
pub(crate) const DONE: &str = "scenes.ndjson";

/// Whether the missing segments were named: a recording is opened once for its frames, and once for
/// its clips.
static SAID: Once = Once::new();

/// A segment on the timeline of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    pub seq: u64,
    pub connection: u32,
    pub anchor: Anchor,
    /// Ticks, if the record has it.
    pub duration: Option<i64>,
}

/// Returns the segments in the folder of a session that its log lacks, placed among the `recorded`
/// ones, which are in order. Warns of them.
pub(crate) fn find(session: &Session, log: &SegmentLog, recorded: &[Placed]) -> Vec<Placed> {
    let numbers = numbers(session, log);
    if numbers.is_empty() {
        return Vec::new();
    }
    SAID.call_once(|| {
        report::warn(format_args!(
            "{}: lacks {} of the folder, taken by number; cht-export check names them",
            session.segment_log().display(),
            units::count(numbers.len() as u64, "segment")
        ));
    });
    let known = known(session);
    let mut all: BTreeMap<u64, Placed> = recorded.iter().map(|it| (it.seq, *it)).collect();
    for &seq in &numbers {
        let before = all.range(..seq).next_back().map(|(_, before)| *before);
        let after = all.range(seq..).next().map(|(_, after)| after.anchor);
        let after = after.or_else(|| known.range(seq..).next().map(|(_, after)| *after));
        let placed = match known.get(&seq) {
            Some(known) => first_pts(&session.segment(seq)).map(|pts| {
                let anchor = Anchor::first(pts, known.place(pts));
                (anchor, connection_of(before, anchor))
            }),
            None => place(session, seq, before, after),
        };
        let Some((anchor, connection)) = placed else { continue };
        all.insert(seq, Placed { seq, connection, anchor, duration: None });
    }
    numbers.iter().filter_map(|seq| all.get(seq).copied()).collect()
}

/// Returns the numbers of the finished segments that the log does not name.
fn numbers(session: &Session, log: &SegmentLog) -> Vec<u64> {
    let files = session.segments().unwrap_or_default();
    let mut numbers: Vec<_> = files.iter().filter_map(|path| sequence(path)).collect();
    numbers.retain(|&seq| log.get(seq).is_none() && !log.is_deleted(seq));
    // One that was just closed may not stand in the record yet.
    if !numbers.is_empty() && session.is_recording() {
        let last = log.last().map_or(0, |last| last.seq);
        numbers.retain(|&seq| seq < last);
    }
    numbers
}

/// Returns a point of each segment on the timeline, by their numbers: its beginning, as cht-scenes
/// has noted it, or else its first frame.
fn known(session: &Session) -> BTreeMap<u64, Anchor> {
    let mut known = BTreeMap::new();
    let journal = session.index_journal();
    each_line(&journal, |line| {
        if let Ok(Some(Event { body: Body::Frame(frame), session: Some(_) })) = Event::parse(line)
            && let Some(seq) = sequence(Path::new(&frame.segment))
        {
            let anchor = Anchor { pts: frame.pts, offset: ticks(frame.timestamp) };
            known.entry(seq).or_insert(anchor);
        }
    });
    for (path, anchor) in done(&journal.with_file_name(DONE)) {
        if let Some(seq) = sequence(&path) {
            known.insert(seq, anchor);
        }
    }
    known
}

/// Returns the segments that cht-scenes has finished, by its journal, and where each begins.
/// Without the journal, as in a copy of the index alone, there are none.
pub(crate) fn done(journal: &Path) -> BTreeMap<PathBuf, Anchor> {
    #[derive(Deserialize)]
    struct Line {
        checkpoint: Done,
    }
    #[derive(Deserialize)]
    struct Done {
        path: PathBuf,
        anchor: Anchor,
    }
    let mut done = BTreeMap::new();
    each_line(journal, |line| {
        if let Ok(Line { checkpoint }) = serde_json::from_slice(line) {
            done.insert(checkpoint.path, checkpoint.anchor);
        }
    });
    done
}

fn each_line(journal: &Path, mut take: impl FnMut(&[u8])) {
    let Ok(mut lines) = Lines::open(journal, 0) else { return };
    while let Ok(Some(line)) = lines.next() {
        take(line.bytes);
    }
}

/// Returns the number of the connection of a segment whose beginning is known.
fn connection_of(before: Option<Placed>, anchor: Anchor) -> u32 {
    before.map_or(1, |before| before.connection + u32::from(!before.anchor.continues(&anchor)))
}

/// Places a segment by its first picture: on the clock of the one before, on that of one after it,
/// or at the end of the one before. Returns its connection, too. `None` without a picture.
fn place(
    session: &Session,
    seq: u64,
    before: Option<Placed>,
    after: Option<Anchor>,
) -> Option<(Anchor, u32)> {
    let pts = first_pts(&session.segment(seq))?;
    let at = |offset| Anchor::first(pts, offset);
    let Some(before) = before else {
        let offset = after.map(|after| (after.place(pts), after.offset));
        let offset = offset.filter(|(offset, next)| offset < next).map_or(0, |(offset, _)| offset);
        return Some((at(offset), 1));
    };
    let path = session.segment(before.seq);
    let examined = || examine_alone(&path).ok()?.duration.map(ticks);
    let end = before.anchor.offset + before.duration.or_else(examined).unwrap_or(0);
    let offset = before.anchor.place(pts);
    let is_next = (offset - end).abs() <= LARGEST_GAP;
    let connection = before.connection + u32::from(!is_next);
    Some((at(if is_next { offset } else { end }), connection))
}

/// Returns the earliest time of the first pictures in a segment.
fn first_pts(path: &Path) -> Option<Pts> {
    let segment = FinishedSegment::open(path).ok()?;
    let (mut scanner, mut found, mut pid) = (Scanner::new(), Vec::new(), None);
    for window in segment.all() {
        scanner.push(&window.ok()?, &mut |it| {
            if let Found::Pes(pes) = it
                && let (Media::Video, Some(pts)) = (pes.media, pes.pts)
                && *pid.get_or_insert(pes.pid) == pes.pid
                && found.len() < FIRST
            {
                found.push(pts);
            }
        });
        if found.len() == FIRST {
            break;
        }
    }
    let first = *found.first()?;
    found.into_iter().min_by_key(|pts| pts.since(first))
}
