//! Segments of a recording on its timeline.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use cht_core::{
    event::{Anchor, Body, Frame},
    segment::examine_alone,
    session::{Session, segment_log::SegmentLog},
    storage::{journal::Lines, regular},
};
use cht_ts::time::ticks;
use serde::Deserialize;

use crate::place::Place;

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

/// Journal of cht-scenes, next to that of the index: at the end of each segment, its path and
/// anchor.
const DONE: &str = "scenes.ndjson";

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
    let frames: Vec<_> = place
        .events()?
        .into_iter()
        .filter_map(|event| match event.body {
            Body::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect();
    let log = place.session.as_ref().map(SegmentLog::of).unwrap_or_default();
    let mut segments = of_index(&frames, place.session.as_ref(), &log);
    if segments.iter().all(|segment| segment.place.is_none()) {
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
    #[derive(Deserialize)]
    struct Line {
        checkpoint: Done,
    }
    #[derive(Deserialize)]
    struct Done {
        path: PathBuf,
        anchor: Anchor,
    }
    // Without it, as in a copy of the index alone, the frames say what they can.
    let Ok(mut lines) = Lines::open(journal, 0) else { return };
    let mut done = HashMap::new();
    while let Ok(Some(line)) = lines.next() {
        if let Ok(Line { checkpoint }) = serde_json::from_slice(line.bytes) {
            done.insert(checkpoint.path, checkpoint.anchor);
        }
    }
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

/// Returns the recorded segments of a session, without those that were removed.
pub(crate) fn of_session(session: &Session, log: &SegmentLog) -> Vec<Segment> {
    let segments = log.kept().filter_map(|closed| {
        Some(Segment {
            path: session.segment(closed.seq),
            anchor: closed.timeline?,
            duration: closed.duration.map(ticks),
            bytes: Some(closed.bytes),
            place: Some((closed.seq, closed.connection)),
            tables: Some(session.tables(closed.connection)),
        })
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
