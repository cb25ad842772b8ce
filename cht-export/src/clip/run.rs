//! Runs: segments that one decoder can play through, as far as a clip needs them.

use std::{
    io::{self, Write},
    ops::Range,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::Anchor,
    process::report,
    session::pictures::{Part, Pictures},
};
use cht_ts::{
    Codec, Completion, Entry, Media, NULL_PID, ParameterSets, Program, Unit, Units,
    time::TICKS_PER_SECOND,
};

use super::plan::{Copied, Reset, Step};
use crate::segments::Segment;

/// How far the sound of a moment may lie from its pictures, in ticks. Multiplexers keep both within
/// a second (ISO/IEC 13818-1 §2.4.2.7), and some senders hold sound back until the next picture.
const SOUND: i64 = 3 * TICKS_PER_SECOND;

/// Largest number of segments before a clip that are searched for an access point.
const MOST_BEFORE: usize = 64;

/// How long the only picture of a recording is shown, in ticks.
const ALONE: i64 = TICKS_PER_SECOND / 25;

/// A run of segments.
#[derive(Debug)]
pub(crate) struct Run {
    pub pictures: Pictures,
    /// Times of the pictures in display order.
    pub ticks: Vec<i64>,
    pub anchor: Anchor,
    pub codec: Codec,
    pub sounds: Vec<Sound>,
    /// PAT and PMT of the connection, with its parameter sets.
    pub tables: Vec<u8>,
}

/// When a picture of a copy is shown and decoded, in ticks of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// By its time stamp.
    pub stamped: i64,
    pub shown: i64,
    pub decoded: i64,
}

/// A sound of the video's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sound {
    pub pid: u16,
    pub codec: Codec,
    pub channels: u8,
    /// ISO 639-2, where the stream names it.
    pub language: Option<String>,
}

/// Reads the runs of a recording. Those of a clip stay for the next one: the scenes of a large file
/// are cut out of it without reading all of it again.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    segments: &'a [Segment],
    /// Runs that were read last, with the places of their segments.
    last: Vec<(Range<usize>, Arc<Run>)>,
}

impl<'a> Reader<'a> {
    /// Begins with segments in order.
    pub(crate) fn new(segments: &'a [Segment]) -> Self {
        Self { segments, last: Vec::new() }
    }

    pub(crate) fn segments(&self) -> &'a [Segment] {
        self.segments
    }

    /// Returns the runs that have pictures within `span`, in order.
    pub(crate) fn runs(&mut self, span: &Range<i64>) -> Result<Vec<Arc<Run>>> {
        let (mut runs, mut next) = (Vec::new(), 0);
        for segments in self.segments.chunk_by(Segment::runs_on) {
            let begin = next;
            next += segments.len();
            let (from, to) = (span.start.saturating_sub(SOUND), span.end.saturating_add(SOUND));
            let first = segments.iter().rposition(|it| it.anchor.offset <= from).unwrap_or(0);
            let last = segments.iter().rposition(|it| it.anchor.offset < to);
            let Some(last) = last.filter(|last| first <= *last) else { continue };
            if is_over(&segments[last], span.start) {
                continue;
            }
            let known = self.last.iter().find(|(places, run)| {
                places.start <= begin + first
                    && begin + last < places.end
                    && (places.start == begin || run.leads_to_first_of(span))
            });
            if let Some((places, run)) = known {
                runs.push((places.clone(), Arc::clone(run)));
            } else if let Some((first, run)) = Run::read(segments, first..last + 1, span)? {
                runs.push((begin + first..begin + last + 1, Arc::new(run)));
            }
        }
        if !runs.is_empty() {
            self.last.clone_from(&runs);
        }
        let runs = runs.into_iter().map(|(_, run)| run);
        Ok(runs.filter(|run| first_within(&run.pictures, span).is_some()).collect())
    }
}

/// Returns the picture that is shown first within `span`.
fn first_within(pictures: &Pictures, span: &Range<i64>) -> Option<usize> {
    let shown = pictures.all.iter().enumerate().filter_map(|(at, it)| Some((it.tick?, at)));
    shown.filter(|(tick, _)| span.contains(tick)).min().map(|(_, at)| at)
}

/// Tells whether a segment is known to end before `from`.
fn is_over(last: &Segment, from: i64) -> bool {
    last.duration.is_some_and(|duration| last.anchor.offset + duration <= from)
}

/// Warns of a segment that is not as long as it was recorded.
fn warn_of_missing_bytes(segment: &Segment) {
    let now = segment.path.metadata().map_or(0, |metadata| metadata.len());
    if let Some(bytes) = segment.bytes.filter(|bytes| *bytes != now) {
        report::warn(format_args!(
            "{}: {now} bytes, and the record says {bytes}; pictures may be missing",
            segment.path.display()
        ));
    }
}

impl Run {
    /// Reads some of the segments of a run, and those before that lead to the first picture.
    /// Returns the first one of them, too.
    fn read(
        segments: &[Segment],
        some: Range<usize>,
        span: &Range<i64>,
    ) -> Result<Option<(usize, Self)>> {
        let tables = segments[some.start].tables();
        let mut first = some.start;
        let pictures = loop {
            let mut pictures = Pictures::default();
            for segment in &segments[first..some.end] {
                let read = pictures.read(segment.path.clone(), segment.anchor, &tables);
                read.with_context(|| segment.path.display().to_string())?;
            }
            let Some(at) = first_within(&pictures, span) else { return Ok(None) };
            let is_reached = pictures.access(at, 0).is_some() && pictures.has_sets();
            if is_reached || first == 0 || some.start - first > MOST_BEFORE {
                break pictures;
            }
            // Twice as many, so that each is read a few times at most.
            first = first.saturating_sub((some.start - first).max(1));
        };
        segments[first..some.end].iter().for_each(warn_of_missing_bytes);
        let Some((codec, sounds)) = pictures.pid.and_then(|pid| streams(&pictures.programs, pid))
        else {
            return Ok(None);
        };
        let mut ticks: Vec<_> = pictures.all.iter().filter_map(|it| it.tick).collect();
        ticks.sort_unstable();
        let anchor = segments[first].anchor;
        Ok(Some((first, Self { pictures, ticks, anchor, codec, sounds, tables })))
    }

    /// Tells whether an access point leads to the first picture within `span`.
    fn leads_to_first_of(&self, span: &Range<i64>) -> bool {
        let first = first_within(&self.pictures, span);
        first.is_some_and(|at| self.pictures.access(at, 0).is_some())
    }

    /// Returns the pictures of a step, in display order.
    pub(crate) fn of_step(&self, step: &Step) -> Vec<usize> {
        let all = &self.pictures.all;
        let mut places: Vec<usize> = match step {
            Step::Encode(span) => (0..all.len())
                .filter(|&at| all[at].tick.is_some_and(|tick| span.contains(&tick)))
                .collect(),
            // Those that are shown before the access point need the pictures before.
            Step::Copy(Copied { places, from }) => places
                .clone()
                .filter(|&at| all[at].tick.is_some_and(|tick| tick >= *from))
                .collect(),
        };
        places.sort_by_key(|&at| all[at].tick);
        places
    }

    /// Returns the number of pictures that are shown while one waits that has been decoded.
    pub(crate) fn delay(&self, at: usize) -> usize {
        let picture = &self.pictures.all[at];
        let Some(shown) = picture.tick else { return 0 };
        let meanwhile = self.ticks.iter().filter(|&&tick| picture.decoded < tick && tick <= shown);
        meanwhile.count()
    }

    /// Returns when a picture is decoded that comes `delay` pictures before the one shown at place
    /// `place` of the display order.
    pub(crate) fn decoded(&self, place: usize, delay: usize) -> i64 {
        let first = self.ticks[0];
        let step = self.ticks.get(1).map_or(1, |second| second - first);
        let before = |missing: usize| first - step * missing as i64;
        place.checked_sub(delay).map_or_else(|| before(delay - place), |at| self.ticks[at])
    }

    /// Returns what a decoder that has shown other pictures does at this one.
    pub(crate) fn reset(&self, at: usize) -> Reset {
        let mut resets = false;
        let wanted = self.pictures.all[at].pts;
        let read = self.units(&self.pictures.between(at, at), &mut |unit| {
            resets |= unit.pts == Some(wanted) && unit.begins_sequence(self.codec);
            Ok(())
        });
        match (read, resets) {
            (Ok(()), true) if self.codec == Codec::H264 => Reset::ShowsAll,
            (Ok(()), true) => Reset::Skips,
            _ => Reset::No,
        }
    }

    /// Returns the times of copied pictures, in decoding order.
    pub(crate) fn times(&self, copied: &Copied) -> Vec<Times> {
        let pictures = &self.pictures.all[copied.places.clone()];
        let times = pictures.iter().filter_map(|it| {
            let tick = it.tick.filter(|tick| *tick >= copied.from)?;
            Some(Times { stamped: tick, shown: tick, decoded: it.decoded })
        });
        let mut times: Vec<_> = times.collect();
        if pictures.first().is_some_and(|it| it.tick > Some(copied.from)) {
            let group = pictures.iter().skip(1).take_while(|it| it.entry != Some(Entry::Clean));
            let count = 1 + group.filter(|it| it.tick.is_some()).count();
            mend(&mut times, count);
        }
        times
    }

    /// Returns the bytes in which the sound of `span` lies.
    pub(crate) fn sound_part(&self, span: &Range<i64>) -> Part {
        let around = span.start - SOUND..span.end + SOUND;
        let is_around =
            |at: &usize| self.pictures.all[*at].tick.is_some_and(|tick| around.contains(&tick));
        let mut places = (0..self.pictures.all.len()).filter(is_around);
        let first = places.next().unwrap_or(0);
        self.pictures.between(first, places.next_back().unwrap_or(first))
    }

    /// Writes a part for a decoder that begins with it.
    pub(crate) fn feed(&self, part: &Part, mut out: impl Write) -> io::Result<()> {
        self.pictures.copy_video(part, &self.tables, &mut out)
    }

    /// Gives `take` each picture in a part, the first keyframe with parameter sets.
    pub(crate) fn units(
        &self,
        part: &Part,
        take: &mut dyn FnMut(Unit) -> io::Result<()>,
    ) -> io::Result<()> {
        let pid = self.pictures.pid.unwrap_or(NULL_PID);
        let sets = self.pictures.sets_before(part).map(ParameterSets::elementary);
        let mut completion = Completion::new(pid, self.codec, sets.unwrap_or_default());
        let mut units = Units::new(self.codec);
        let (mut complete, mut taken) = (Vec::new(), Ok(()));
        let mut found = |unit| {
            if taken.is_ok() {
                taken = take(unit);
            }
        };
        self.pictures.packets(part, pid, &mut |packet| {
            complete.clear();
            completion.push(packet, &mut complete);
            units.push(&complete, &mut found);
            Ok(())
        })?;
        complete.clear();
        completion.finish(&mut complete);
        units.push(&complete, &mut found);
        units.finish(&mut found);
        taken
    }

    /// Returns how long the picture `at` is shown: until the next one.
    pub(crate) fn length_of(&self, at: usize) -> i64 {
        let shown = self.pictures.all[at].tick.unwrap_or(0);
        let place = self.ticks.partition_point(|tick| *tick < shown);
        let next = self.ticks[place..].iter().find(|tick| **tick > shown);
        let before = place.checked_sub(1).map(|before| shown - self.ticks[before]);
        next.map(|next| next - shown).or(before).unwrap_or(ALONE)
    }
}

/// Mends the times of a group, the first `count` pictures, whose first one is shown first in spite
/// of its time stamp: it is shown a picture before the others, and each is decoded in time.
fn mend(times: &mut [Times], count: usize) {
    let (group, rest) = times.split_at_mut(count.min(times.len()));
    let mut ticks: Vec<_> = group.iter().skip(1).map(|it| it.shown).collect();
    ticks.sort_unstable();
    ticks.dedup();
    let step = ticks.get(1).map_or(ALONE, |second| second - ticks[0]);
    if let (Some(first), Some(least)) = (group.first_mut(), ticks.first()) {
        first.shown = least - step;
    }
    let mut next = rest.first().map_or(i64::MAX, |it| it.decoded);
    for times in group.iter_mut().rev() {
        times.decoded = times.decoded.min(times.shown).min(next - 1);
        next = times.decoded;
    }
}

/// Returns the codec of the video with this PID, and the sounds of its program.
fn streams(programs: &[Program], pid: u16) -> Option<(Codec, Vec<Sound>)> {
    let program = programs.iter().find(|it| it.streams.iter().any(|it| it.pid == pid))?;
    let video = program.streams.iter().find(|it| it.pid == pid)?;
    let sounds = program.streams.iter().filter(|it| it.media() == Media::Audio);
    let sounds = sounds.map(|it| Sound {
        pid: it.pid,
        codec: it.codec,
        channels: it.audio.map_or(2, |audio| audio.channels),
        language: it.language.clone(),
    });
    Some((video.codec, sounds.collect()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::segments;

    #[test]
    fn times_of_a_group_whose_first_picture_is_late_are_mended() {
        // As VLC sends them.
        let stamps = [(412, 412), (448, 376), (376, 412), (412, 376), (520, 412), (900, 800)];
        let times = stamps.map(|(shown, decoded)| Times { stamped: shown, shown, decoded });
        let mut mended = times;
        mend(&mut mended, 5);
        assert_eq!(mended[0], Times { stamped: 412, shown: 340, decoded: 340 });
        assert_eq!(mended.map(|it| it.shown)[1..], times.map(|it| it.shown)[1..]);
        assert_eq!(mended.map(|it| it.decoded), [340, 374, 375, 376, 412, 800]);
    }

    #[test]
    fn file_is_read_once_for_all_its_clips() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ts");
        let mut command = std::process::Command::new("ffmpeg");
        command.args(["-loglevel", "error", "-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=4"]);
        command.args(["-c:v", "mpeg2video", "-g", "12"]).arg(&path);
        assert!(command.status().unwrap().success());
        let segments = segments::of(&path).unwrap();
        let mut reader = Reader::new(&segments);
        let second = |at: i64| at * TICKS_PER_SECOND..(at + 1) * TICKS_PER_SECOND;
        let first = reader.runs(&second(0)).unwrap();
        assert_eq!(reader.runs(&second(100)).unwrap().len(), 0);
        fs::remove_file(&path).unwrap();
        for at in [1, 3, 2] {
            let runs = reader.runs(&second(at)).unwrap();
            assert!(Arc::ptr_eq(&runs[0], &first[0]), "{at}");
        }
    }
}
