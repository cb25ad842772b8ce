//! Reads a recording: the journal of its index, and the times of pictures in its segments.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{self, Anchor, Body, Event, Frame, SegmentClosed, Transcript},
    segment::SegmentError,
    session::{Moved, Session, finished_segment::FinishedSegment, segment_log::SegmentLog},
    storage::journal::{Lines, Skipped},
};
use cht_ts::{
    Found, Media, Scanner,
    time::{ticks, unwrap33},
};

use crate::rate::Rate;

/// Number of pictures whose distances give the frame rate.
const SAMPLED: usize = 300;

/// A recording, and the frames and words that were found in it.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Name of the session, or of the folder of the index.
    pub name: String,
    /// File that a player opens: the playlist of a session, or its only segment.
    pub media: PathBuf,
    /// In order of time.
    pub frames: Vec<Frame>,
    /// Text in the frames, by their ids.
    pub texts: HashMap<String, String>,
    /// In order of time.
    pub transcript: Vec<Transcript>,
    /// Ticks on the timeline: the first picture.
    pub start: i64,
    /// Ticks on the timeline: the end of the last picture.
    pub end: i64,
    /// Frame rate of the first segment.
    pub rate: Rate,
}

/// Files of an index.
#[derive(Debug)]
pub(crate) struct Place {
    pub journal: PathBuf,
    /// Absent for an index of loose segments.
    pub session: Option<Session>,
}

impl Place {
    /// Finds the index that `path` names: a session's folder, its folder of frames, or an index.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        if let Ok(session) = Session::open(path) {
            let journal = session.frames().join("index.ndjson");
            if !journal.exists() {
                bail!(
                    "{}: no index yet; make it with cht-segwatch {0} | cht-scenes | cht-index",
                    path.display()
                );
            }
            return Ok(Self { journal, session: Some(session) });
        }
        let journal =
            if path.is_dir() { path.join("index.ndjson") } else { path.with_extension("ndjson") };
        if !journal.is_file() {
            bail!(
                "{}: no session and no index; name a session's folder or an index.json",
                path.display()
            );
        }
        let folder = event::clean(&journal)?;
        let session = folder.ancestors().nth(2).and_then(|root| Session::open(root).ok());
        let session = session.filter(|session| folder.parent() == Some(&*session.frames()));
        Ok(Self { journal, session })
    }

    /// Returns the events of the journal, with paths of where the session is now.
    pub(crate) fn events(&self) -> Result<Vec<Event>> {
        let named = || self.journal.display().to_string();
        let mut moved = self.journal.parent().and_then(Moved::of_frames);
        let (mut events, mut skipped) = (Vec::new(), Skipped::default());
        let mut lines = Lines::open(&self.journal, 0).with_context(named)?;
        while let Some(line) = lines.next().with_context(named)? {
            match Event::parse(line.bytes) {
                Ok(Some(mut event)) => {
                    if let (Body::Frame(frame), Some(moved)) = (&mut event.body, &mut moved) {
                        moved.mend(&mut event.session, frame);
                    }
                    events.push(event);
                }
                Ok(None) => {}
                Err(error) => skipped.add(line.number, error),
            }
        }
        skipped.warn(&self.journal);
        Ok(events)
    }
}

impl Recording {
    /// Reads the recording at `path`. `rate` is its frame rate if its pictures do not give one.
    pub(crate) fn open(path: &Path, rate: Option<Rate>) -> Result<Self> {
        let place = Place::at(path)?;
        let (frames, texts, transcript) = sorted(place.events()?);
        let Some(last) = frames.last() else {
            bail!("{}: no frame in it yet", place.journal.display());
        };
        let first = &frames[0];
        let log = place.session.as_ref().map(SegmentLog::of).unwrap_or_default();
        let log: Vec<_> = log.kept().filter(|segment| segment.timeline.is_some()).collect();
        let begin = begin_of(first, place.session.as_ref(), &log);
        let sampled = pictures(&begin.0, &begin.1, SAMPLED);
        let sampled = sampled.map_err(|error| (error, &begin.0));
        let rate = match (rate, &sampled) {
            (Some(rate), _) => rate,
            (None, Ok(offsets)) => Rate::of(offsets.clone()).with_context(|| {
                format!(
                    "{}: fewer than two pictures; give the frame rate with --rate",
                    begin.0.display()
                )
            })?,
            (None, Err((error, path))) => {
                bail!("{}: {error}; its frame rate is needed: give it with --rate", path.display())
            }
        };
        let offsets = sampled.unwrap_or_default();
        let start = offsets.into_iter().min().unwrap_or(i64::MAX).min(ticks(first.timestamp));
        let end = end_of(last, place.session.as_ref(), &log);
        let pictures = pictures(&end.0, &end.1, usize::MAX).unwrap_or_default();
        let newest = pictures.into_iter().max().unwrap_or(i64::MIN).max(ticks(last.timestamp));
        let one = cht_ts::time::TICKS_PER_SECOND as f64 / rate.per_second();
        let folder = place.journal.parent().and_then(Path::file_name);
        Ok(Self {
            name: match &place.session {
                Some(session) => file_name(session.root()),
                None => folder.unwrap_or_default().to_string_lossy().into_owned(),
            },
            media: media(place.session.as_ref(), &frames, &log),
            start,
            end: newest + one.round() as i64,
            frames,
            texts,
            transcript,
            rate,
        })
    }

    /// Returns the number of the picture at a time, from 0.
    pub(crate) fn frame_at(&self, ticks: i64) -> i64 {
        self.rate.frame_at(ticks - self.start)
    }
}

type Contents = (Vec<Frame>, HashMap<String, String>, Vec<Transcript>);

/// Sorts the events of a journal. A later line about a frame replaces an earlier one.
fn sorted(events: Vec<Event>) -> Contents {
    let (mut frames, mut texts) = (HashMap::new(), HashMap::new());
    let mut transcript = Vec::new();
    for event in events {
        match event.body {
            Body::Frame(frame) => {
                frames.insert(frame.id.clone(), frame);
            }
            Body::Text(text) => {
                texts.insert(text.id, text.text);
            }
            Body::Transcript(words) => transcript.push(words),
            _ => {}
        }
    }
    let mut frames: Vec<_> = frames.into_values().collect();
    frames.sort_by(|a, b| a.timestamp.total_cmp(&b.timestamp).then_with(|| a.id.cmp(&b.id)));
    transcript.sort_by(|a, b| a.start.total_cmp(&b.start));
    (frames, texts, transcript)
}

/// Returns the first segment, with a point on the timeline.
fn begin_of(first: &Frame, session: Option<&Session>, log: &[&SegmentClosed]) -> (PathBuf, Anchor) {
    let recorded = session
        .zip(log.first())
        .and_then(|(session, closed)| Some((session.segment(closed.seq), closed.timeline?)));
    recorded.unwrap_or_else(|| of_frame(first))
}

/// Returns the last segment, with a point on the timeline.
fn end_of(last: &Frame, session: Option<&Session>, log: &[&SegmentClosed]) -> (PathBuf, Anchor) {
    let recorded = session
        .zip(log.last())
        .and_then(|(session, closed)| Some((session.segment(closed.seq), closed.timeline?)));
    recorded.unwrap_or_else(|| of_frame(last))
}

fn of_frame(frame: &Frame) -> (PathBuf, Anchor) {
    let anchor = Anchor { pts: frame.pts, offset: ticks(frame.timestamp) };
    (PathBuf::from(&frame.segment), anchor)
}

/// Returns the times of the first `limit` pictures of a segment, in ticks on the timeline.
fn pictures(path: &Path, anchor: &Anchor, limit: usize) -> Result<Vec<i64>, SegmentError> {
    let segment = FinishedSegment::open(path)?;
    let (mut scanner, mut offsets, mut pid) = (Scanner::new(), Vec::new(), None);
    for window in segment.all() {
        scanner.push(&window?, &mut |found| {
            if let Found::Pes(pes) = found
                && let (Media::Video, Some(pts)) = (pes.media, pes.pts)
                && *pid.get_or_insert(pes.pid) == pes.pid
            {
                offsets.push(anchor.offset + unwrap33(anchor.pts, pts) - anchor.pts);
            }
        });
        if offsets.len() >= limit {
            break;
        }
    }
    Ok(offsets)
}

/// Returns the file that a player opens.
fn media(session: Option<&Session>, frames: &[Frame], log: &[&SegmentClosed]) -> PathBuf {
    match session {
        Some(session) if log.len() != 1 => session.playlist(),
        Some(session) => session.segment(log[0].seq),
        None => PathBuf::from(&frames[0].segment),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the size of the file at `path`; `None` if there is none.
pub(crate) fn size(path: &Path) -> io::Result<Option<u64>> {
    match path.metadata() {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
