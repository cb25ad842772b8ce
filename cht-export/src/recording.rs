//! Reads a recording: the journal of its index, and the times of pictures in its segments.

use std::{
    collections::HashMap,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use cht_core::{
    event::{Body, Event, Frame, Transcript},
    process::report,
    segment::SegmentError,
    session::{Session, finished_segment::FinishedSegment, segment_log::SegmentLog},
};
use cht_ts::{
    AudioFormat, Found, Media, Program, Scanner,
    time::{TICKS_PER_SECOND, is_time, seconds, ticks},
};

use crate::{
    place::Place,
    rate::Rate,
    segments::{self, Segment},
};

/// Number of pictures whose distances give the frame rate.
const SAMPLED: usize = 300;

/// A recording, and the frames and words that were found in it.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Name of the session, or of the folder of the index.
    pub name: String,
    /// File that a player opens: the playlist of a session, or its only segment. There is none of
    /// several loose segments.
    pub media: Option<PathBuf>,
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
    /// Sounds of the first video's program in that segment, with their formats where it shows them.
    pub sounds: Vec<Option<AudioFormat>>,
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
        let segments = segments::of_index(&frames, place.session.as_ref(), &log);
        let (rate, sampled) = sample(&segments, rate)?;
        let Sampled { pictures, sounds } = sampled;
        let begin = segments[0].anchor.offset.min(ticks(frames[0].timestamp));
        let start = pictures.into_iter().min().unwrap_or(begin).min(begin);
        let end = end_of(&segments[segments.len() - 1], rate).max(ticks(last.timestamp));
        let folder = place.journal.parent().and_then(Path::file_name);
        Ok(Self {
            name: match &place.session {
                Some(session) => file_name(session.root()),
                None => folder.unwrap_or_default().to_string_lossy().into_owned(),
            },
            media: match &place.session {
                _ if segments.len() == 1 => Some(segments[0].path.clone()),
                session => session.as_ref().map(Session::playlist),
            },
            start,
            end,
            frames,
            texts,
            transcript,
            rate,
            sounds,
        })
    }

    /// Leaves out the words outside `span`, in ticks of the timeline. Those that reach into it are
    /// cut to it.
    pub(crate) fn cut_words(&mut self, span: &Range<i64>) {
        let (from, to) = (seconds(span.start), seconds(span.end));
        self.transcript.retain_mut(|words| {
            let is_within = words.start < to && (words.end > from || words.start >= from);
            (words.start, words.end) = (words.start.max(from), words.end.min(to));
            is_within
        });
    }

    /// Returns the path of the file to name; an empty one if there is none.
    pub(crate) fn media(&self) -> &Path {
        self.media.as_deref().unwrap_or(Path::new(""))
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

/// Streams of a segment, by its beginning.
#[derive(Debug, Default)]
struct Sampled {
    /// Times of the pictures, in ticks on the timeline.
    pictures: Vec<i64>,
    /// Formats of the sounds next to the video.
    sounds: Vec<Option<AudioFormat>>,
}

/// Returns the frame rate, by the first segment that is there unless it is `given`, and the
/// beginning of that segment.
fn sample(segments: &[Segment], given: Option<Rate>) -> Result<(Rate, Sampled)> {
    let mut refused = None;
    for segment in segments {
        match pictures(segment, SAMPLED) {
            Ok(sampled) => {
                if let Some(rate) = given.or_else(|| Rate::of(sampled.pictures.clone())) {
                    return Ok((rate, sampled));
                }
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match (given, refused) {
        (Some(rate), _) => Ok((rate, Sampled::default())),
        (None, Some(error)) => bail!("{error}; give the frame rate with --rate"),
        (None, None) => bail!("fewer than two pictures; give the frame rate with --rate"),
    }
}

/// Returns the end of the last picture of a segment, in ticks on the timeline.
fn end_of(last: &Segment, rate: Rate) -> i64 {
    if let Some(duration) = last.duration {
        return last.anchor.offset + duration;
    }
    let frame = (TICKS_PER_SECOND as f64 / rate.per_second()).round() as i64;
    match pictures(last, usize::MAX) {
        Ok(sampled) => sampled.pictures.into_iter().fold(last.anchor.offset, i64::max) + frame,
        Err(error) => {
            report::warn(format_args!("{error}; the last scene ends with its frame"));
            last.anchor.offset + frame
        }
    }
}

/// Reads a segment up to its picture `limit`.
fn pictures(segment: &Segment, limit: usize) -> Result<Sampled, SegmentError> {
    let Segment { path, anchor, .. } = segment;
    let segment = FinishedSegment::open(path)?;
    let (mut scanner, mut offsets, mut pid) = (Scanner::new(), Vec::new(), None);
    for window in segment.all() {
        scanner.push(&window?, &mut |found| {
            if let Found::Pes(pes) = found
                && let (Media::Video, Some(pts)) = (pes.media, pes.pts)
                && *pid.get_or_insert(pes.pid) == pes.pid
            {
                offsets.push(anchor.place(pts));
            }
        });
        if offsets.len() >= limit {
            break;
        }
    }
    let program = |program: &&Program| program.streams.iter().any(|it| Some(it.pid) == pid);
    let streams = scanner.programs().iter().find(program).map(|program| &program.streams);
    let sounds = streams.into_iter().flatten().filter(|stream| stream.media() == Media::Audio);
    Ok(Sampled { sounds: sounds.map(|stream| stream.audio).collect(), pictures: offsets })
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
