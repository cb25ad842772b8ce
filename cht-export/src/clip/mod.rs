//! Clips: a part of a recording as a file of its own.
//!
//! In order, each using only those before it: `plan` (pictures to copy, and those to encode again),
//! `run` (reading the recording), `track` (writing streams on the clip's clock), `encode`, `mux`
//! (the file).

mod encode;
mod mux;
mod plan;
mod run;
mod track;

use std::{
    io::{self, Write},
    ops::Range,
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{event, process::report, storage::draft::Draft};
use cht_ts::time::{TICKS_PER_SECOND, seconds};
use serde::Serialize;

pub(crate) use self::{encode::Quality, run::Reader};
use self::{
    mux::{Container, Video},
    plan::Step,
    run::{Run, Sound},
    track::{BEGIN, Track},
};
use crate::{ffmpeg::Ffmpeg, output, timecode::exact_seconds};

/// Longest rest of a gap that is closed, in ticks: the sound of a PES packet may last as long.
const JOINT: i64 = TICKS_PER_SECOND / 4;

/// Longest clip, in ticks: its clock has 33 bits, 26.5 h.
const LONGEST: i64 = 24 * 3600 * TICKS_PER_SECOND;

/// How a clip is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    /// Where the clip begins and ends.
    pub cut: Cut,
    /// Whether pauses between connections stay as long as they were.
    pub keeps_gaps: bool,
}

/// Where a clip begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// With exactly the pictures asked for; those at its edges are encoded again.
    Exact(Quality),
    /// With a keyframe, and as it was received.
    Keyframes,
}

/// A clip that was made.
#[derive(Debug, Serialize)]
pub(crate) struct Clip {
    /// Its file.
    pub path: String,
    /// Time of its first picture in the recording, in seconds.
    pub start: f64,
    /// Time at which its last picture ends, in seconds.
    pub end: f64,
    /// Number of its pictures.
    pub pictures: usize,
    /// Number of pictures that were encoded again.
    pub encoded: usize,
    /// Number of pauses in it, where a sender was away or its clock jumped.
    pub gaps: usize,
    /// What lies between the pauses, in order.
    pub parts: Vec<Stretch>,
}

/// A part of a clip without a pause, in seconds.
#[derive(Debug, Serialize)]
pub(crate) struct Stretch {
    /// Time of its first picture in the recording.
    pub start: f64,
    /// Time at which its last picture ends in the recording.
    pub end: f64,
    /// Time of its first picture in the clip.
    pub at: f64,
}

/// A run, and its part of the clip.
struct Piece {
    run: Arc<Run>,
    steps: Vec<Step>,
    /// Its pictures, by their places in the run, in display order.
    shown: Vec<usize>,
    /// Ticks on the timeline of the recording.
    span: Range<i64>,
    /// Leads from these ticks to those of the clip.
    offset: i64,
}

/// Makes a clip of the pictures shown within `span` of the timeline.
pub(crate) fn make(
    recording: &mut Reader<'_>,
    span: &Range<i64>,
    way: Way,
    ffmpeg: &Ffmpeg,
    out: &Path,
) -> Result<Clip> {
    let container = Container::of(out)?;
    output::refuse_recordings(out)?;
    if recording.segments().iter().any(|segment| is_same_file(out, &segment.path)) {
        bail!("{}: belongs to the recording; write the clip elsewhere", out.display());
    }
    if out.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        bail!("{}: is there and no file; name another", out.display());
    }
    let mut pieces = Vec::new();
    for run in recording.runs(span)? {
        pieces.extend(Piece::new(run, span, way.cut, pieces.is_empty()));
    }
    place(&mut pieces, way.keeps_gaps);
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        let limit =
            |tick: i64| (tick.abs() < i64::MAX / 4).then(|| format!("{} s", exact_seconds(tick)));
        let from = limit(span.start).unwrap_or("the beginning".to_owned());
        let to = limit(span.end).unwrap_or("the end".to_owned());
        bail!("no picture from {from} to {to}");
    };
    // The beginning that was asked for is not there.
    if span.start < first.span.start - TICKS_PER_SECOND && span.start > 0 {
        report::note(format_args!("its first picture is at {} s", exact_seconds(first.span.start)));
    }
    if way.cut != Cut::Keyframes && first.span.start < span.start {
        report::note(format_args!(
            "it begins at {} s: the time stamps of its first pictures are out of order",
            exact_seconds(first.span.start)
        ));
    }
    let codec = first.run.codec;
    if let Some(other) = pieces.iter().find(|piece| piece.run.codec != codec) {
        bail!(
            "the codec of the video changes at {} s; cut there, into two clips",
            exact_seconds(other.span.start)
        );
    }
    if let Some(sound) = first.run.sounds.iter().find(|sound| !container.takes(sound.codec)) {
        bail!("{}: cannot hold {} sound; name it .ts", out.display(), sound.codec);
    }
    let length = (last.span.end + last.offset) - BEGIN;
    if length > LONGEST {
        bail!("a clip of {:.0} h is too long; cut it into parts of 24 h", seconds(length) / 3600.0);
    }
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let sounds = sounds(&pieces, length, ffmpeg, folder.unwrap_or(Path::new(".")))
        .with_context(|| out.display().to_string())?;
    let (begin, end) = (first.span.start + first.offset, last.span.end + last.offset);
    let video = Video {
        codec,
        has_sets: pieces.iter().all(|piece| piece.run.pictures.has_sets()),
        write: |out| write_video(&pieces, way.cut, ffmpeg, out),
        length: end - last.last() - begin,
        last: last.last(),
    };
    let named = || out.display().to_string();
    let draft = Draft::create_unnamed(out).with_context(named)?;
    let pictures =
        mux::write(ffmpeg, video, &sounds, container, draft.file()).with_context(named)?;
    draft.publish().with_context(named)?;
    Ok(Clip {
        path: event::absolute(out)?,
        start: seconds(first.span.start),
        end: seconds(last.span.end),
        pictures,
        encoded: pieces.iter().map(Piece::encoded).sum(),
        gaps: pieces.len() - 1,
        parts: pieces.iter().map(Piece::stretch).collect(),
    })
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

impl Piece {
    /// Decides about a run; `None` if it has no picture within `span` that can be decoded.
    fn new(run: Arc<Run>, span: &Range<i64>, cut: Cut, is_first: bool) -> Option<Self> {
        let all = &run.pictures.all;
        let steps = match cut {
            Cut::Exact(_) => plan::exact(all, span, is_first, |at| run.reset(at)),
            Cut::Keyframes => {
                let copied = plan::copied(all, span, |at| run.reset(at));
                copied.map(Step::Copy).into_iter().collect()
            }
        };
        let shown: Vec<_> = steps.iter().flat_map(|step| run.of_step(step)).collect();
        let (&first, &last) = (shown.first()?, shown.last()?);
        let start = match steps.first() {
            Some(Step::Copy(copied)) => run.times(copied).iter().map(|it| it.shown).min(),
            _ => all[first].tick,
        };
        let start = start.unwrap_or(span.start);
        let end = all[last].tick.unwrap_or(start) + run.length_of(last);
        let end = if cut == Cut::Keyframes { end } else { end.min(span.end) };
        Some(Self { run, steps, shown, span: start..end, offset: 0 })
    }

    /// Returns how long its last picture is shown, in ticks.
    fn last(&self) -> i64 {
        let last = self.shown.last().and_then(|&at| self.run.pictures.all[at].tick);
        last.map_or(0, |last| self.span.end - last)
    }

    /// Returns how long before it is shown its first picture is decoded.
    fn lead(&self) -> i64 {
        let decoded = match self.steps.first() {
            Some(Step::Copy(copied)) => self.run.times(copied).first().map(|it| it.decoded),
            _ => self.shown.first().map(|&at| self.run.pictures.all[at].decoded),
        };
        decoded.map_or(0, |decoded| self.span.start - decoded).max(0)
    }

    fn stretch(&self) -> Stretch {
        let Range { start, end } = self.span;
        let at = seconds(start + self.offset - BEGIN);
        Stretch { start: seconds(start), end: seconds(end), at }
    }

    fn encoded(&self) -> usize {
        let encoded = self.steps.iter().filter(|step| matches!(step, Step::Encode(_)));
        encoded.map(|step| self.run.of_step(step).len()).sum()
    }
}

/// Places the pieces on the clock of the clip, each after the one before, whose connection may have
/// been followed by the next at once.
fn place(pieces: &mut [Piece], keeps_gaps: bool) {
    let Some(first) = pieces.first().map(|piece| piece.span.start) else { return };
    let mut before: Option<Range<i64>> = None;
    for piece in pieces {
        let start = piece.span.start;
        // The gap to the piece before, and where that ends in the clip.
        let begin = match before {
            None => BEGIN,
            Some(Range { start: end, end: placed }) => {
                let rest = if keeps_gaps { 0 } else { (start - end).min(JOINT) };
                placed + rest.max(piece.lead())
            }
        };
        let begin = if keeps_gaps { begin.max(start + BEGIN - first) } else { begin };
        piece.offset = begin - start;
        before = Some(piece.span.end..piece.span.end + piece.offset);
    }
}

fn write_video(pieces: &[Piece], cut: Cut, ffmpeg: &Ffmpeg, out: impl Write) -> Result<()> {
    let Some(codec) = pieces.first().map(|piece| piece.run.codec) else { return Ok(()) };
    let mut track = Track::video(codec, out)?;
    for piece in pieces {
        for (n, step) in piece.steps.iter().enumerate() {
            match (step, cut) {
                (Step::Copy(copied), _) => track.copied(&piece.run, copied, piece.offset)?,
                (Step::Encode(_), Cut::Exact(quality)) => {
                    write_encoded(piece, n, quality, ffmpeg, &mut track)?;
                }
                (Step::Encode(_), Cut::Keyframes) => {}
            }
        }
    }
    Ok(())
}

/// Writes the pictures of step `n`, encoded again. Their decoding times fit between those of the
/// pictures that are copied.
fn write_encoded(
    piece: &Piece,
    n: usize,
    quality: Quality,
    ffmpeg: &Ffmpeg,
    track: &mut Track<impl Write>,
) -> Result<()> {
    let Piece { run, steps, offset, .. } = piece;
    let places = run.of_step(&steps[n]);
    let copied = steps.get(n + 1).or_else(|| steps.get(n.checked_sub(1)?));
    let delay = match copied {
        Some(Step::Copy(copied)) => run.delay(copied.places.start),
        _ => 0,
    };
    let shown = |place: usize| run.pictures.all[places[place]].tick.unwrap_or(0);
    let before = run.ticks.partition_point(|tick| *tick < shown(0));
    let own = encode::delay_of(run.codec, delay);
    let mut count = 0;
    encode::encode(ffmpeg, run, &places, own, quality, |place, unit| {
        let decoded = run.decoded(before + count, delay);
        count += 1;
        let times = (shown(place) + offset, decoded + offset);
        track.encoded(&unit, run.codec, times, count == places.len())
    })
}

/// Returns the sounds of the clip; those of its first connection.
fn sounds(
    pieces: &[Piece],
    length: i64,
    ffmpeg: &Ffmpeg,
    folder: &Path,
) -> Result<Vec<mux::Sound>> {
    let Some(first) = pieces.first() else { return Ok(Vec::new()) };
    let mut sounds = Vec::new();
    for (place, sound) in first.run.sounds.iter().enumerate() {
        let feed = |stdin| write_sound(pieces, place, sound, stdin);
        let language = sound.language.clone();
        match mux::Sound::trimmed(ffmpeg, length, language, folder, feed)? {
            Some(sound) => sounds.push(sound),
            None => report::note(format_args!("no sound of PID {} in the clip", sound.pid)),
        }
    }
    for Piece { run, span, .. } in pieces {
        let is_same = |(one, other): (&Sound, &Sound)| one.codec == other.codec;
        let has_same = run.sounds.len() == first.run.sounds.len()
            && run.sounds.iter().zip(&first.run.sounds).all(is_same);
        if !has_same {
            report::warn(format_args!(
                "the sounds of the connection at {:.3} s are others; those that differ are left out",
                seconds(span.start)
            ));
        }
    }
    Ok(sounds)
}

fn write_sound(pieces: &[Piece], place: usize, sound: &Sound, out: impl Write) -> io::Result<()> {
    let mut track = Track::sound(sound, out)?;
    for Piece { run, span, offset, .. } in pieces {
        // Another connection may have other sounds.
        if let Some(own) = run.sounds.get(place).filter(|own| own.codec == sound.codec) {
            track.sounds(run, own, span, *offset)?;
        }
    }
    Ok(())
}
