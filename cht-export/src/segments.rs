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

impl Segment {
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
        if segments.is_empty() {
            bail!("{}: no finished segment yet", path.display());
        }
        return Ok(segments);
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
    Ok(of_index(&frames, place.session.as_ref(), &log))
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
        segments.extend(frames.iter().map(|frame| Segment {
            path: PathBuf::from(&frame.segment),
            anchor: Anchor { pts: frame.pts, offset: ticks(frame.timestamp) },
            duration: None,
            bytes: None,
            place: None,
            tables: None,
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
    let anchor = Anchor { pts, offset: 0 };
    let duration = examined.duration.map(ticks);
    Ok(Segment { path: path.to_owned(), anchor, duration, bytes: None, place: None, tables: None })
}
