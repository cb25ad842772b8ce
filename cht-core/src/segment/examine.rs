//! Examines finished segments: their contents, and their place on the timeline.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

pub use super::cache::Cache;
use super::{
    cache::{Known, has_rested},
    clock::{Clock, Told},
    scanned::Scanned,
};
use crate::{
    event::{self, Body, Damage, Event, Jump, Segment, SegmentClosed, StreamInfo},
    process::clock::monotonic,
    session::{
        self, SegmentError, Session, finished_segment::FinishedSegment, natural_sort,
        segment_log::SegmentLog,
    },
    terminal::units,
    timeline::{Span, Succession},
};
use cht_ts::{Found, Media, PACKET_LEN, Scanner, time::seconds};

/// Largest number of streams in an event, so that its line stays far below the limit of a stage.
const MAX_STREAMS: usize = 1024;

/// Contents of a segment, without its place among others.
#[derive(Debug)]
pub struct Contents {
    /// PID of the clock and pictures: the video, or the first PID with a PTS.
    pub clock_pid: Option<u16>,
    /// Whether `clock_pid` is video.
    pub has_video: bool,
    /// The clock of that PID.
    pub span: Option<Span>,
    /// Where that clock jumps, with offsets from the first picture.
    jumps: Vec<Jump>,
    /// Pictures whose time stamps are outliers.
    strays: u64,
    /// The stage that scanned it, with its tables and counters.
    scanner: Scanner,
}

/// Scans a whole segment, given in pieces. `None` if it is no transport stream.
pub fn scan<P: AsRef<[u8]>, E>(
    pieces: impl IntoIterator<Item = Result<P, E>>,
) -> Result<Option<Contents>, E> {
    let mut scanner = Scanner::new();
    // A handful of PIDs at most: a list is faster than a map.
    let mut clocks: Vec<(u16, Clock)> = Vec::new();
    let at = monotonic();
    let mut found = |found: Found<'_>| {
        let Found::Pes(pes) = found else { return };
        let known = clocks.iter().position(|(pid, _)| *pid == pes.pid);
        if known.is_none() && pes.pts.is_none() && !pes.random_access {
            return;
        }
        let known = known.unwrap_or_else(|| {
            clocks.push((pes.pid, Clock::new(pes.media, at)));
            clocks.len() - 1
        });
        clocks[known].1.observe(&pes);
    };
    for piece in pieces {
        scanner.push(piece?.as_ref(), &mut found);
    }
    scanner.finish(&mut found);
    if scanner.counters().packets == 0 {
        return Ok(None);
    }
    let video = scanner.video_pid();
    let clock = if let Some(video) = video {
        clocks.iter().position(|(pid, _)| *pid == video)
    } else {
        let audio = clocks.iter().position(|(_, clock)| clock.media == Media::Audio);
        audio.or((!clocks.is_empty()).then_some(0))
    };
    let clock =
        clock.map(|clock| clocks.swap_remove(clock)).map(|(pid, clock)| (pid, clock.finish()));
    let clock = clock.filter(|(_, told)| told.span.is_some());
    let clock_pid = clock.as_ref().map(|(pid, _)| *pid);
    let told = clock.map_or(Told { span: None, jumps: Vec::new(), strays: 0 }, |(_, told)| told);
    let Told { span, jumps, strays } = told;
    Ok(Some(Contents { clock_pid, has_video: video.is_some(), span, jumps, strays, scanner }))
}

/// Returns a warning about a badly damaged segment: truncated, or with more than a hundredth of its
/// bytes in no packet.
#[must_use]
pub fn damage(event: &Event) -> Option<String> {
    let Body::Segment(segment) = &event.body else { return None };
    let Damage { skipped_bytes: skipped, missing_bytes: missing, .. } = segment.damage;
    if missing > 0 {
        return Some(format!(
            "{}: damaged: {missing} of {} recorded bytes are not there any more; what is there is used",
            segment.path,
            segment.bytes + missing
        ));
    }
    (skipped > segment.bytes / 100).then(|| {
        format!(
            "{}: damaged: {skipped} of {} bytes are in no transport packet; what is whole is used",
            segment.path, segment.bytes
        )
    })
}

/// Returns warnings about defects of a segment's clock that were repaired.
#[must_use]
pub fn oddities(event: &Event) -> Vec<String> {
    let Body::Segment(segment) = &event.body else { return Vec::new() };
    let mut odd = Vec::new();
    if segment.damage.strays > 0 {
        odd.push(format!(
            "{}: pictures whose time stamps fit neither those before nor those after: {}; they are taken for outliers, \
             and get the times between",
            segment.path, segment.damage.strays
        ));
    }
    if let Some(first) = segment.jumps.first() {
        odd.push(format!(
            "{}: the stream's clock jumps in it ({}, first at byte {}); times go on where they were",
            segment.path,
            units::count(segment.jumps.len() as u64, "time"),
            first.byte
        ));
    }
    odd
}

/// Examines segments one after another and places them on their timelines.
///
/// A segment of cht-recv is placed by its log; a loose one after the segments in its folder whose
/// names are of the same series.
#[derive(Debug, Default)]
pub struct Examiner {
    cache: Cache,
    records: HashMap<PathBuf, SegmentLog>,
    loose: HashMap<Place, Loose>,
}

/// Loose segments of one folder.
#[derive(Debug, Default)]
struct Loose {
    count: u64,
    /// Timelines by the series of names.
    successions: HashMap<Vec<u8>, Succession>,
}

/// A folder: its identity, whatever its name, or its name if it is gone.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Place {
    Known((u64, u64)),
    Named(PathBuf),
}

impl Examiner {
    /// Returns an examiner that uses the results in `cache`, and adds its own.
    #[must_use]
    pub fn with_cache(cache: Cache) -> Self {
        Self { cache, ..Self::default() }
    }

    /// Examines the segment at `path` and returns its `segment` event. While the recorder of its
    /// session lives, one that is not in the record has no place, and is an error.
    pub fn examine(&mut self, path: &Path) -> Result<Event, SegmentError> {
        let session = Session::of_segment(path);
        let Some(session) = session else { return self.examine_loose(path, None) };
        let mut record = self.record(&session, path);
        if record.is_none() && session.is_recording() {
            // It may have been closed in between, or be gone: reading the log again tells.
            record = self.record(&session, path);
            if record.is_none() && path.exists() {
                return Err(SegmentError::Unrecorded(path.to_owned()));
            }
        }
        match record {
            Some(closed) => self.examine_recorded(&session, &closed),
            None => self.examine_loose(path, Some(&session)),
        }
    }

    /// Examines a segment that no log places: by the segments before it in its folder and its
    /// series of names.
    fn examine_loose(
        &mut self,
        path: &Path,
        session: Option<&Session>,
    ) -> Result<Event, SegmentError> {
        let name = event::absolute(path)?;
        let scanned = self.read(path, false)?;
        let folder = Path::new(&name).parent().unwrap_or(Path::new("/")).to_owned();
        let place = session::identity(&folder).map_or(Place::Named(folder), Place::Known);
        let loose = self.loose.entry(place).or_default();
        loose.count += 1;
        let seq = session.and_then(|_| session::sequence(path)).unwrap_or(loose.count);
        let last_line = scanned.jumps.last().map(|jump| jump.timeline);
        let succession = loose.successions.entry(natural_sort::series(path)).or_default();
        let timeline = scanned.span.map(|span| succession.place(span, last_line));
        let segment = scanned.placed(seq, name, None, timeline);
        Ok(Event::new(session.map(|session| session.name().to_owned()), segment))
    }

    /// Examines a segment that stands in the record of `session` and returns its `segment` event.
    pub fn examine_recorded(
        &self,
        session: &Session,
        closed: &SegmentClosed,
    ) -> Result<Event, SegmentError> {
        let path = session.segment(closed.seq);
        let name = event::absolute(&path)?;
        let scanned = self.read(&path, true)?;
        let missing = closed.bytes.saturating_sub(scanned.bytes());
        let mut segment =
            scanned.placed(closed.seq, name, Some(closed.connection), closed.timeline);
        segment.opened_at = Some(closed.opened_at);
        segment.damage.missing_bytes = missing;
        Ok(session.event(segment))
    }

    /// Scans the segment at `path`, unless the cache has its results. `is_recorded`: it is not
    /// written any more.
    fn read(&self, path: &Path, is_recorded: bool) -> Result<Scanned, SegmentError> {
        let segment = FinishedSegment::open(path)?;
        let key = self.cache.key_of(segment.file());
        let known = key.as_ref().and_then(|key| self.cache.get(key, segment.length()));
        if let Some(known) = known {
            return known.of(path);
        }
        let known = scan_all(&segment)?;
        if let Some(key) = key.filter(|_| is_recorded || has_rested(segment.file())) {
            self.cache.put(&key, segment.file(), &known);
        }
        known.of(path)
    }

    /// Returns the log's line about the segment at `path`.
    fn record(&mut self, session: &Session, path: &Path) -> Option<SegmentClosed> {
        let seq = session::sequence(path)?;
        if path.file_name() != session.segment(seq).file_name() {
            return None;
        }
        let record = self.records.entry(session.root().to_owned()).or_default();
        if record.get(seq).is_none() {
            // The record grows while the session does.
            record.update(session);
        }
        record.get(seq).cloned()
    }
}

/// Examines a segment by itself, without a place among others.
pub fn examine_alone(path: &Path) -> Result<Segment, SegmentError> {
    let name = event::absolute(path)?;
    let scanned = scan_all(&FinishedSegment::open(path)?)?.of(path)?;
    Ok(scanned.placed(session::sequence(path).unwrap_or(1), name, None, None))
}

/// Scans a whole segment.
fn scan_all(segment: &FinishedSegment) -> Result<Known, SegmentError> {
    let length = segment.length();
    let contents = scan(segment.all())?;
    Ok(contents
        .map_or(Known::NotTransportStream, |it| Known::Segment(Box::new(it.scanned(length)))))
}

impl Known {
    /// Returns the results of scanning the segment at `path`.
    fn of(self, path: &Path) -> Result<Scanned, SegmentError> {
        match self {
            Self::Segment(scanned) => Ok(*scanned),
            Self::NotTransportStream => Err(SegmentError::NotTransportStream(path.to_owned())),
        }
    }
}

impl Contents {
    /// Returns the results for a segment of `bytes` bytes.
    fn scanned(self, bytes: u64) -> Scanned {
        let streams = self.streams();
        let keyframes = self.scanner.pids().filter(|(pid, _)| Some(*pid) == self.clock_pid);
        let keyframes = keyframes.map(|(_, counters)| counters.keyframes).sum();
        let counters = self.scanner.counters();
        let video_pid = self.clock_pid.filter(|_| self.has_video);
        let segment = Segment {
            seq: 0,
            path: String::new(),
            bytes,
            connection: None,
            opened_at: None,
            timeline: None,
            first_pts: None,
            last_pts: None,
            start: None,
            duration: self.span.map(|span| seconds(span.length + span.frame)),
            keyframes,
            video_pid,
            video_codec: video_pid
                .and_then(|pid| self.scanner.codec_of(pid))
                .map(|codec| codec.as_str().to_owned()),
            packet_size: self.scanner.packet_size().unwrap_or(PACKET_LEN) as u16,
            packets: counters.packets,
            streams,
            jumps: Vec::new(),
            damage: Damage {
                continuity_errors: counters.continuity_errors,
                sync_losses: counters.sync_losses,
                skipped_bytes: counters.lost_bytes,
                transport_errors: counters.transport_errors,
                table_errors: counters.psi_crc_errors,
                strays: self.strays,
                missing_bytes: 0,
            },
        };
        Scanned { segment, span: self.span, jumps: self.jumps }
    }

    /// Returns the streams that the tables list. If they list more than any multiplex carries,
    /// those that came, up to a bound.
    fn streams(&self) -> Vec<StreamInfo> {
        let counters: HashMap<u16, _> = self.scanner.pids().collect();
        let programs = self.scanner.programs().iter();
        let listed = programs.flat_map(|p| p.streams.iter().map(|stream| (p.number, stream)));
        let too_many = listed.clone().count() > MAX_STREAMS;
        let is_wanted = |pid: u16| {
            !too_many
                || Some(pid) == self.clock_pid
                || counters.get(&pid).is_some_and(|counted| counted.pes_starts > 0)
        };
        listed
            .filter(|(_, stream)| is_wanted(stream.pid))
            .take(MAX_STREAMS)
            .map(|(program, stream)| {
                let counted = counters.get(&stream.pid);
                StreamInfo {
                    pid: stream.pid,
                    program,
                    codec: stream.codec.as_str().to_owned(),
                    units: counted.map_or(0, |c| c.pes_starts),
                    keyframes: counted.map_or(0, |c| c.keyframes),
                    continuity_errors: counted.map_or(0, |c| c.continuity_errors),
                    width: stream.video.map(|video| video.width),
                    height: stream.video.map(|video| video.height),
                    sample_rate: stream.audio.map(|audio| audio.sample_rate),
                    channels: stream.audio.map(|audio| audio.channels),
                    language: stream.language.clone(),
                }
            })
            .collect()
    }
}
