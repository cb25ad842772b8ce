//! Finds the place in a session where a viewer begins: the newest keyframe for a live picture, or
//! the last one before a time.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use cht_ts::{Found, Pts, Scanner, time::TICKS_PER_SECOND};

use super::{selection::Wanted, splitter::Entries};
use crate::{
    event::{Anchor, SegmentOpen},
    process::report,
    session::{
        Session,
        segment_log::{self, SegmentLog},
        sequence,
    },
    storage::regular,
};

/// A place in a session.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StartPoint {
    /// The number of the segment.
    pub seq: u64,
    /// Bytes of that segment to skip.
    pub skip: u64,
    /// PAT and PMT to send first, if the stream has none at that place.
    pub tables: Vec<u8>,
    /// Whether the keyframe lacks parameter sets, which are among `tables`.
    pub completes: bool,
    /// Whether decoding can begin there.
    pub is_entry: bool,
}

/// Returns the session below `sessions` that people mean without naming one
/// ([`Session::recency`]).
pub fn newest(sessions: &Path) -> io::Result<Option<Session>> {
    Ok(all(sessions)?.max_by_key(Session::recency))
}

/// Returns the session below `sessions` for those who want to see what comes now
/// ([`Session::recency_live`]).
pub fn newest_live(sessions: &Path) -> io::Result<Option<Session>> {
    Ok(all(sessions)?.max_by_key(Session::recency_live))
}

fn all(sessions: &Path) -> io::Result<impl Iterator<Item = Session>> {
    let entries = fs::read_dir(sessions)?;
    Ok(entries.filter_map(|entry| Session::open(&entry.ok()?.path()).ok()))
}

impl StartPoint {
    /// Returns the newest place to begin.
    pub fn live(session: &Session, wanted: Wanted) -> io::Result<Self> {
        let seq = SegmentLog::of(session).next_sequence(session)?;
        let mut place = Self { seq, ..Self::default() };
        if let Some((seq, bytes)) = newest_segment(session)? {
            place.seq = seq;
            place.look(&bytes, session, wanted, &|_| true);
        }
        Ok(place)
    }

    /// Returns the beginning of the session.
    pub fn first(session: &Session, wanted: Wanted) -> io::Result<Self> {
        let mut place = Self { seq: 1, ..Self::default() };
        for first in session.segments()? {
            if let Some(bytes) = read(&first)? {
                place.seq = sequence(&first).unwrap_or(1);
                place.look(&bytes, session, wanted, &|_| true);
                (place.skip, place.is_entry) = (0, place.completes);
                break;
            }
        }
        Ok(place)
    }

    /// Returns the last keyframe at or before a time of the session, in seconds; with a negative
    /// time, that long before the end of what is recorded now. Before the first keyframe, the
    /// beginning.
    pub fn at(session: &Session, seconds: f64, wanted: Wanted) -> io::Result<Self> {
        let mut tick = (seconds * TICKS_PER_SECOND as f64) as i64;
        let anchors = anchors(session);
        if seconds < 0.0
            && let Some((seq, bytes)) = newest_segment(session)?
            && let Some(anchor) = anchors.iter().rfind(|it| it.0 == seq).map(|it| it.1)
        {
            tick += last_tick(&bytes, anchor);
        }
        let before = anchors.iter().rev().filter(|(_, anchor)| anchor.offset <= tick);
        for (seq, anchor) in before {
            let part = session.part(*seq);
            let path = if part.exists() { part } else { session.segment(*seq) };
            let bytes = match read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes?,
            };
            let Some(bytes) = bytes else { continue };
            let mut place = Self { seq: *seq, ..Self::default() };
            place.look(&bytes, session, wanted, &|pts| anchor.place(pts) <= tick);
            if place.is_entry {
                return Ok(place);
            }
        }
        Self::first(session, wanted)
    }

    /// Scans a segment up to the last entry point whose PTS `is_early` enough.
    fn look(
        &mut self,
        bytes: &[u8],
        session: &Session,
        wanted: Wanted,
        is_early: &dyn Fn(Pts) -> bool,
    ) {
        let mut scanner = Scanner::new();
        let mut entries = Entries::new(wanted);
        let mut cut = None;
        scanner.push(bytes, &mut |found| match found {
            Found::Programs(programs) => entries.announce(programs),
            Found::Pes(pes) if entries.is_entry(&pes) && pes.pts.is_none_or(is_early) => {
                cut = Some(pes.cut);
            }
            _ => {}
        });
        (self.skip, self.is_entry) = (cut.unwrap_or(0), cut.is_some());
        self.tables = scanner.psi().unwrap_or_default();
        let pid = scanner.video_pid();
        self.completes = pid.is_some_and(|pid| scanner.lacks_parameters(pid));
        if self.completes
            && let Some(tables) = tables_of_connection(session, self.seq)
        {
            self.tables = tables;
        }
    }
}

/// Reads the tables that cht-recv keeps for readers that begin within the connection of a segment.
pub(super) fn tables_of_connection(session: &Session, seq: u64) -> Option<Vec<u8>> {
    let open =
        segment_log::growing(session).filter(|open| open.seq == seq).map(|open| open.connection);
    let closed = || Some(SegmentLog::since(session, seq).get(seq)?.connection);
    regular::read(&session.tables(open.or_else(closed)?)).ok()
}

/// Returns the segments on the timeline, oldest first.
fn anchors(session: &Session) -> Vec<(u64, Anchor)> {
    let log = SegmentLog::of(session);
    let kept = log.kept().filter_map(|closed| Some((closed.seq, closed.timeline?)));
    let mut anchors: Vec<_> = kept.collect();
    if let Some(SegmentOpen { seq, timeline: Some(anchor), .. }) = segment_log::growing(session)
        && anchors.last().is_none_or(|last| last.0 < seq)
    {
        anchors.push((seq, anchor));
    }
    anchors
}

/// Returns the session's tick of the last PTS in a segment.
fn last_tick(bytes: &[u8], anchor: Anchor) -> i64 {
    let mut last = anchor.clock();
    Scanner::new().push(bytes, &mut |found| {
        if let Found::Pes(cht_ts::Pes { pts: Some(pts), .. }) = found
            && pts.since(last) > 0
        {
            last = pts;
        }
    });
    anchor.place(last)
}

/// Reads the newest segment that is a file, and returns its number. Plain reads: it may be growing.
fn newest_segment(session: &Session) -> io::Result<Option<(u64, Vec<u8>)>> {
    let entries = fs::read_dir(session.stream())?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut seqs: Vec<u64> = paths.filter_map(|path: PathBuf| sequence(&path)).collect();
    seqs.sort_unstable_by(|a, b| b.cmp(a));
    for seq in seqs {
        let path = session.part(seq);
        let path = if path.exists() { path } else { session.segment(seq) };
        if let Some(bytes) = read(&path)? {
            return Ok(Some((seq, bytes)));
        }
    }
    Ok(None)
}

/// Reads a segment; `None`, with a warning, if something else has its name.
fn read(segment: &Path) -> io::Result<Option<Vec<u8>>> {
    match regular::read(segment) {
        Err(error) if regular::is_refusal(&error) => {
            report::warn(format_args!("{}: {error}; left out", segment.display()));
            Ok(None)
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", segment.display()))),
        Ok(bytes) => Ok(Some(bytes)),
    }
}
