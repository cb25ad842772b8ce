//! Reads a recording: the journal of its index, and the times of pictures in its segments.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{self, Anchor, Body, Event, Frame, Transcript},
    process::report,
    segment::SegmentError,
    session::{Moved, Session, finished_segment::FinishedSegment, segment_log::SegmentLog},
    storage::journal::{Lines, Skipped},
};
use cht_ts::{
    Found, Media, Scanner,
    time::{TICKS_PER_SECOND, is_time, ticks, unwrap33},
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
            let journal = Self::journal_of(&session);
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

    /// Returns the path of a session's journal.
    pub(crate) fn journal_of(session: &Session) -> PathBuf {
        session.frames().join("index.ndjson")
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
        let log = place.session.as_ref().map(SegmentLog::of).unwrap_or_default();
        let segments = segments(&frames, place.session.as_ref(), &log);
        let (rate, sampled) = sample(&segments, rate)?;
        let begin = segments[0].anchor.offset.min(ticks(frames[0].timestamp));
        let start = sampled.into_iter().min().unwrap_or(begin).min(begin);
        let end = end_of(&segments[segments.len() - 1], rate).max(ticks(last.timestamp));
        let folder = place.journal.parent().and_then(Path::file_name);
        Ok(Self {
            name: match &place.session {
                Some(session) => file_name(session.root()),
                None => folder.unwrap_or_default().to_string_lossy().into_owned(),
            },
            media: match &place.session {
                Some(session) if segments.len() > 1 => session.playlist(),
                _ => segments[0].path.clone(),
            },
            start,
            end,
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
            Body::Frame(frame) if is_time(ticks(frame.timestamp)) => {
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

/// A segment, with a point on the timeline.
struct Part {
    path: PathBuf,
    anchor: Anchor,
    /// Ticks, if the record has it.
    duration: Option<i64>,
}

/// Returns the recorded segments of a session; of loose segments those with frames, in order.
fn segments(frames: &[Frame], session: Option<&Session>, log: &SegmentLog) -> Vec<Part> {
    let recorded = session.into_iter().flat_map(|session| {
        log.kept().filter_map(|closed| {
            let duration = closed.duration.map(ticks);
            Some(Part { path: session.segment(closed.seq), anchor: closed.timeline?, duration })
        })
    });
    let mut parts: Vec<_> = recorded.collect();
    if parts.is_empty() {
        parts.extend(frames.iter().map(|frame| {
            let anchor = Anchor { pts: frame.pts, offset: ticks(frame.timestamp) };
            Part { path: PathBuf::from(&frame.segment), anchor, duration: None }
        }));
        parts.dedup_by(|later, earlier| later.path == earlier.path);
    }
    parts
}

/// Returns the frame rate, by the first segment that is there unless it is `given`, and the times
/// of the first pictures.
fn sample(segments: &[Part], given: Option<Rate>) -> Result<(Rate, Vec<i64>)> {
    let mut refused = None;
    for part in segments {
        match pictures(part, SAMPLED) {
            Ok(sampled) => {
                if let Some(rate) = given.or_else(|| Rate::of(sampled.clone())) {
                    return Ok((rate, sampled));
                }
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match (given, refused) {
        (Some(rate), _) => Ok((rate, Vec::new())),
        (None, Some(error)) => bail!("{error}; give the frame rate with --rate"),
        (None, None) => bail!("fewer than two pictures; give the frame rate with --rate"),
    }
}

/// Returns the end of the last picture of a segment, in ticks on the timeline.
fn end_of(last: &Part, rate: Rate) -> i64 {
    if let Some(duration) = last.duration {
        return last.anchor.offset + duration;
    }
    let frame = (TICKS_PER_SECOND as f64 / rate.per_second()).round() as i64;
    match pictures(last, usize::MAX) {
        Ok(pictures) => pictures.into_iter().fold(last.anchor.offset, i64::max) + frame,
        Err(error) => {
            report::warn(format_args!("{error}; the last scene ends with its frame"));
            last.anchor.offset + frame
        }
    }
}

/// Returns the times of the first `limit` pictures of a segment, in ticks on the timeline.
fn pictures(part: &Part, limit: usize) -> Result<Vec<i64>, SegmentError> {
    let Part { path, anchor, .. } = part;
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
