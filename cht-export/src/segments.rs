//! Segments of a recording on its timeline.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cht_core::{
    event::{Anchor, Body, Frame},
    segment::examine_alone,
    session::{Session, segment_log::SegmentLog},
    storage::regular,
};
use cht_ts::time::ticks;

use crate::{
    place::Place,
    unrecorded::{self, DONE, Placed},
};

/// A segment, with a point on the timeline.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub path: PathBuf,
    pub anchor: Anchor,
    /// Ticks, if the record has it.
    pub duration: Option<i64>,
    /// Bytes, if the record has them.
    pub bytes: Option<u64>,
    /// Number in the session and of the connection; absent for a loose segment.
    place: Option<(u64, u32)>,
    /// File of the connection's PAT, PMT and parameter sets.
    tables: Option<PathBuf>,
}

impl Segment {
    fn loose(path: PathBuf, anchor: Anchor) -> Self {
        Self { path, anchor, duration: None, bytes: None, place: None, tables: None }
    }

    /// Returns whether one decoder can play through both.
    pub(crate) fn runs_on(&self, next: &Self) -> bool {
        let is_next = match (self.place, next.place) {
            (Some((seq, connection)), Some((next, of))) => seq + 1 == next && connection == of,
            _ => self.place == next.place,
        };
        is_next && self.anchor.continues(&next.anchor)
    }

    /// Returns PAT, PMT and parameter sets that an encoder sent at the beginning of the connection.
    pub(crate) fn tables(&self) -> Vec<u8> {
        let read = self.tables.as_ref().map(|path| regular::read(path));
        read.and_then(Result::ok).unwrap_or_default()
    }
}

/// Returns the segments of a session, of an index, or a single one.
pub(crate) fn of(path: &Path) -> Result<Vec<Segment>> {
    if let Ok(session) = Session::open(path) {
        let segments = of_session(&session, &SegmentLog::of(&session));
        if !segments.is_empty() {
            return Ok(segments);
        }
        if !session.index_journal().exists() {
            bail!("{}: no finished segment yet", path.display());
        }
    }
    if !path.exists() {
        bail!(
            "{}: no such file or folder; name a session's folder, an index.json or a segment",
            path.display()
        );
    }
    let is_index =
        path.is_dir() || path.extension().is_some_and(|it| it == "json" || it == "ndjson");
    if !is_index {
        return Ok(vec![of_file(path)?]);
    }
    let place = Place::at(path)?;
    let events = place.events()?;
    // Segments of a session lie in its own folder, wherever they were when its frames were made.
    let is_of_session = place.session.is_some() && events.iter().any(|it| it.session.is_some());
    let frames: Vec<_> = events
        .into_iter()
        .filter_map(|event| match event.body {
            Body::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect();
    let log = place.session.as_ref().map(SegmentLog::of).unwrap_or_default();
    let mut segments = of_index(&frames, place.session.as_ref(), &log);
    if !is_of_session && segments.iter().all(|segment| segment.place.is_none()) {
        add_silent(&mut segments, &place.journal.with_file_name(DONE));
    }
    if segments.is_empty() {
        bail!("{}: no finished segment yet", path.display());
    }
    Ok(segments)
}

/// Adds the loose segments that cht-scenes has finished without keeping a frame of them, and takes
/// the beginnings of all from its journal: a frame may come late in its segment.
fn add_silent(segments: &mut Vec<Segment>, journal: &Path) {
    let mut done = unrecorded::done(journal);
    for segment in &mut *segments {
        segment.anchor = done.remove(&segment.path).unwrap_or(segment.anchor);
    }
    done.retain(|path, _| path.is_file());
    segments.extend(done.into_iter().map(|(path, anchor)| Segment::loose(path, anchor)));
    segments.sort_by_key(|segment| segment.anchor.offset);
}

/// Returns the recorded segments of a session; of loose segments those with frames, in order.
pub(crate) fn of_index(
    frames: &[Frame],
    session: Option<&Session>,
    log: &SegmentLog,
) -> Vec<Segment> {
    let mut segments: Vec<_> =
        session.into_iter().flat_map(|session| of_session(session, log)).collect();
    if segments.is_empty() {
        segments.extend(frames.iter().map(|frame| {
            let anchor = Anchor { pts: frame.pts, offset: ticks(frame.timestamp) };
            Segment::loose(PathBuf::from(&frame.segment), anchor)
        }));
        segments.dedup_by(|later, earlier| later.path == earlier.path);
    }
    segments
}

/// Returns the segments of a session, without those that were removed: those that its log names,
/// and those in its folder that the log lacks.
pub(crate) fn of_session(session: &Session, log: &SegmentLog) -> Vec<Segment> {
    let recorded = log.kept().filter_map(|closed| {
        Some(Placed {
            seq: closed.seq,
            connection: closed.connection,
            anchor: closed.timeline?,
            duration: closed.duration.map(ticks),
        })
    });
    let mut placed: Vec<_> = recorded.collect();
    placed.extend(unrecorded::find(session, log, &placed));
    placed.sort_by_key(|it| it.seq);
    let segments = placed.into_iter().map(|it| Segment {
        path: session.segment(it.seq),
        anchor: it.anchor,
        duration: it.duration,
        bytes: log.get(it.seq).map(|closed| closed.bytes),
        place: Some((it.seq, it.connection)),
        tables: Some(session.tables(it.connection)),
    });
    segments.collect()
}

/// Returns a loose segment, whose first picture begins the timeline.
pub(crate) fn of_file(path: &Path) -> Result<Segment> {
    let examined = examine_alone(path)?;
    let Some(pts) = examined.first_pts else {
        bail!("{}: no picture with a time stamp in it", path.display());
    };
    let duration = examined.duration.map(ticks);
    Ok(Segment { duration, ..Segment::loose(path.to_owned(), Anchor { pts, offset: 0 }) })
}
