//! Records one session: connections come one after another, and each becomes a run of segments.

use std::{
    fs::File,
    io::{self, Write as _},
    os::unix::net::UnixStream,
    path::PathBuf,
    rc::Rc,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Anchor, Body, EndReason, Listening, SegmentClosed, SegmentOpen},
    process::clock,
    session::{Session, segment_log::SegmentLog},
    storage::durable,
    timeline::Timeline,
};
use cht_ts::time::{seconds, ticks};
use jiff::Timestamp;

use super::{
    adopt::end_of,
    finalizer::Finalizer,
    limits::SegmentLimits,
    options::Plan,
    picture_starts::PictureStarts,
    playlist_file::PlaylistFile,
    recover::recover,
    retention::Retention,
    segmenter::{Cut, SegmentStart, Segmenter},
};
use crate::{
    disk,
    report::{events::EventWriter, heartbeat::Heartbeat},
};

/// Bytes after which a segment without a PTS is announced all the same.
const ANNOUNCE_WITHOUT_CLOCK: u64 = 1 << 20;

/// Bytes after which the free space is checked, because a segment may grow for long.
const LOOK_AFTER: u64 = 16 << 20;

/// Records connections into one session.
#[derive(Debug)]
pub(crate) struct Recorder {
    session: Session,
    events: EventWriter,
    finalizer: Finalizer,
    /// Readable when the recorder is asked to stop.
    stop: UnixStream,
    timeline: Timeline,
    /// Minimum length of a segment, in ticks.
    segment_time: i64,
    bounds: SegmentLimits,
    next_seq: u64,
    connections: u32,
    heartbeat: Rc<Heartbeat>,
}

impl Recorder {
    /// Continues `session` where its record ends.
    pub(crate) fn new(
        session: Session,
        stop: &UnixStream,
        plan: &Plan,
        heartbeat: Rc<Heartbeat>,
    ) -> Result<Self> {
        let events = heartbeat.events().clone();
        recover(&session, plan.bounds.adopted_bytes(), &events)?;
        let record = SegmentLog::of(&session);
        let timeline = match record.last() {
            Some(last) => Timeline::continuing(end_of(&session, last), clock::monotonic()),
            None => Timeline::default(),
        };
        let playlist =
            PlaylistFile::continuing(&session, &record, plan.segment_time, plan.retention.any());
        // A folder that cannot be listed was reported; a taken number will be skipped.
        let after_the_last = record.last().map_or(1, |last| last.seq + 1);
        let next_seq = record.next_sequence(&session).unwrap_or(after_the_last);
        let retention = plan.retention.any().then(|| {
            let sessions = session.root().parent().map(PathBuf::from).unwrap_or_default();
            Retention::new(plan.retention, sessions, Some(session.clone()), events.clone())
        });
        Ok(Self {
            finalizer: Finalizer::start(
                session.clone(),
                playlist,
                retention,
                stop.try_clone()?,
                Rc::clone(&heartbeat),
            )?,
            stop: stop.try_clone()?,
            connections: record.connections(),
            session,
            events,
            timeline,
            segment_time: ticks(plan.segment_time),
            bounds: plan.bounds,
            next_seq,
            heartbeat,
        })
    }

    /// Returns the recorded session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Announces that senders can connect.
    pub(crate) fn listening(&self, listening: Listening) {
        self.heartbeat.listening(self.session.name(), &listening.address);
        self.events.emit(self.session.event(listening));
    }

    /// Starts a connection.
    pub(crate) fn connection(&mut self) -> Connection<'_> {
        self.connections += 1;
        Connection {
            number: self.connections,
            segmenter: Segmenter::new(&mut self.timeline, self.segment_time, self.bounds),
            out: Output {
                session: &self.session,
                events: &self.events,
                finalizer: &self.finalizer,
                connection: self.connections,
                next_seq: &mut self.next_seq,
                stop: &self.stop,
                heartbeat: &self.heartbeat,
                segment: None,
                next_anchor: None,
                starts: PictureStarts::default(),
                torn: false,
                written: 0,
                looked_at: 0,
            },
            held: Vec::new(),
        }
    }

    /// Emits an event after those of the segments closed before it.
    pub(crate) fn emit_last(&self, body: impl Into<Body>) {
        self.finalizer.emit(self.session.event(body));
    }

    /// Waits until all segments are closed.
    pub(crate) fn finish(self) -> Result<()> {
        self.finalizer.finish()
    }
}

/// A connection that is being recorded.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    /// Its number in the session.
    pub number: u32,
    segmenter: Segmenter<'a>,
    out: Output<'a>,
    /// Received bytes that are not written yet, because a cut may still fall before them.
    held: Vec<u8>,
}

impl Connection<'_> {
    /// Emits an event about the session.
    pub(crate) fn emit(&self, body: impl Into<Body>) {
        self.out.events.emit(self.out.session.event(body));
    }

    /// Records bytes that arrived at `now`.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant) -> Result<()> {
        if self.out.finalizer.has_failed() {
            bail!("{}: segments cannot be finished", self.out.session.stream().display());
        }
        let cuts = self.segmenter.push(bytes, now);
        self.out.heartbeat.received(bytes.len(), &self.segmenter.take_seen(), now);
        if let Some(tables) = self.segmenter.new_tables() {
            self.out.finalizer.tables(self.number, tables);
        }
        self.record(cuts, bytes)
    }

    /// Returns when [`Self::rest`] is due, if nothing more comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.segmenter.deadline()
    }

    /// Writes a picture that has waited too long for the next one. Nothing has come up to `now`.
    pub(crate) fn rest(&mut self, now: Instant) -> Result<()> {
        let cuts = self.segmenter.rest(now);
        self.record(cuts, &[])
    }

    /// Makes these cuts, and writes what is settled of the held bytes and of `bytes`.
    fn record(&mut self, cuts: Vec<Cut>, bytes: &[u8]) -> Result<()> {
        self.out.starts.extend(self.segmenter.take_starts());
        let mut rest = bytes;
        self.cut(cuts, &mut rest)?;
        self.write_up_to(self.segmenter.settled(), &mut rest)?;
        self.held.extend_from_slice(rest);
        self.out.place(self.segmenter.anchor());
        self.out.announce_if_placed();
        Ok(())
    }

    /// Makes cuts in the held bytes, and then in `rest`.
    fn cut(&mut self, cuts: Vec<Cut>, rest: &mut &[u8]) -> Result<()> {
        for Cut { offset, reason, before, anchor } in cuts {
            // A cut before bytes that are written already comes late, but loses nothing.
            self.write_up_to(offset, rest)?;
            self.out.close(reason, before);
            self.out.begin(anchor);
        }
        Ok(())
    }

    /// Writes held bytes, then bytes of `rest`, up to the offset `end` of the connection.
    fn write_up_to(&mut self, end: u64, rest: &mut &[u8]) -> Result<()> {
        let mut missing = end.saturating_sub(self.out.written) as usize;
        if !self.held.is_empty() {
            let count = missing.min(self.held.len());
            self.out.write(&self.held[..count])?;
            self.held.drain(..count);
            missing -= count;
        }
        let (now, later) = rest.split_at(missing.min(rest.len()));
        *rest = later;
        self.out.write(now)
    }

    /// Ends the connection: writes the held bytes and closes the segment. Returns the bytes
    /// received.
    pub(crate) fn finish(mut self, reason: EndReason) -> Result<u64> {
        let cuts = self.segmenter.finish();
        self.out.starts.extend(self.segmenter.take_starts());
        self.cut(cuts, &mut [].as_slice())?;
        let held = std::mem::take(&mut self.held);
        self.out.write(&held)?;
        self.out.close(reason, self.segmenter.place());
        Ok(self.out.written)
    }
}

/// The files that a connection is written to.
#[derive(Debug)]
struct Output<'a> {
    session: &'a Session,
    events: &'a EventWriter,
    finalizer: &'a Finalizer,
    connection: u32,
    next_seq: &'a mut u64,
    stop: &'a UnixStream,
    heartbeat: &'a Heartbeat,
    segment: Option<Growing>,
    /// Anchor of the segment that begins with the next bytes.
    next_anchor: Option<Anchor>,
    starts: PictureStarts,
    /// The disk ended the segment before without a cut, so the durations of its parts are not
    /// known.
    torn: bool,
    /// Bytes of the connection written so far.
    written: u64,
    /// Value of `written` when the free space was last checked.
    looked_at: u64,
}

/// The segment being written.
#[derive(Debug)]
struct Growing {
    file: File,
    hasher: blake3::Hasher,
    seq: u64,
    /// Offset of its first byte in the connection.
    offset: u64,
    timeline: Option<Anchor>,
    opened_at: Timestamp,
    announced: bool,
}

impl Output<'_> {
    /// Notes that a segment at `anchor` begins with the next bytes.
    fn begin(&mut self, anchor: Option<Anchor>) {
        self.next_anchor = anchor;
    }

    fn open(&mut self, timeline: Option<Anchor>) -> io::Result<()> {
        let (seq, file) = loop {
            let seq = *self.next_seq;
            match durable::create_to_append(&self.session.part(seq)) {
                // Another program has put something there.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => *self.next_seq += 1,
                result => break (seq, result?),
            }
        };
        *self.next_seq += 1;
        self.segment = Some(Growing {
            file,
            hasher: blake3::Hasher::new(),
            seq,
            offset: self.written,
            timeline,
            opened_at: clock::wall(),
            announced: false,
        });
        if timeline.is_some() {
            self.announce();
        }
        Ok(())
    }

    /// Writes bytes, and waits while the disk refuses them. The sender waits meanwhile, and nothing
    /// is lost.
    fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        let (mut refused, mut said) = (false, false);
        while !bytes.is_empty() {
            match self.write_some(bytes) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    refused = false;
                    if std::mem::take(&mut said) {
                        self.finalizer.refusal.end();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if disk::is_full(&error) && self.finalizer.make_room() => {}
                Err(error) if disk::refuses(&error) => {
                    if !std::mem::replace(&mut refused, true) {
                        // The bytes on disk are closed as a segment.
                        self.close(EndReason::Disk, None);
                        self.torn = true;
                    }
                    said |= self.say_refused(&error);
                    if !self.finalizer.refusal.wait(self.stop) {
                        let stream = self.session.stream();
                        bail!(
                            "{}: {error}; {} received bytes are lost",
                            stream.display(),
                            bytes.len()
                        );
                    }
                    self.heartbeat.beat(clock::monotonic());
                }
                Err(error) => {
                    return Err(error).with_context(|| self.session.stream().display().to_string());
                }
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.segment.is_none() {
            let anchor = self.next_anchor.take();
            if let Err(error) = self.open(anchor) {
                self.next_anchor = anchor;
                return Err(error);
            }
        }
        let Some(segment) = &mut self.segment else { return Ok(0) };
        let count = segment.file.write(bytes)?;
        segment.hasher.update(&bytes[..count]);
        self.written += count as u64;
        if self.written - self.looked_at >= LOOK_AFTER {
            self.looked_at = self.written;
            self.finalizer.look();
        }
        Ok(count)
    }

    /// Reports that the disk refuses, unless the other thread has. Returns whether it did.
    fn say_refused(&self, error: &io::Error) -> bool {
        let is_news = self.finalizer.refusal.begin();
        if is_news {
            let path = self.session.stream().to_string_lossy().into_owned();
            let message = format!("{path}: {error}{}", disk::remedy(error));
            self.events.fail(Some(self.session.name()), "disk", &message, Some(&path));
        }
        is_news
    }

    /// Places the growing segment at `anchor`, if it has no place yet. One that the disk began lies
    /// at its first picture.
    fn place(&mut self, anchor: Option<Anchor>) {
        let Some(segment) = &mut self.segment else { return };
        let anchor =
            if self.torn { self.starts.first_in(segment.offset, u64::MAX) } else { anchor };
        segment.timeline = segment.timeline.or(anchor);
        self.starts.forget_before(segment.offset);
    }

    /// Announces the growing segment once its place is known, or will not be known soon.
    fn announce_if_placed(&mut self) {
        let Some(segment) = &self.segment else { return };
        let unplaced_for = self.written - segment.offset;
        if segment.timeline.is_some() || unplaced_for > ANNOUNCE_WITHOUT_CLOCK {
            self.announce();
        }
    }

    /// Announces the growing segment, unless that was done: each is announced before it is closed.
    fn announce(&mut self) {
        let Some(segment) = self.segment.as_mut().filter(|segment| !segment.announced) else {
            return;
        };
        segment.announced = true;
        let open = SegmentOpen {
            seq: segment.seq,
            path: self.session.part(segment.seq).to_string_lossy().into_owned(),
            connection: self.connection,
            timeline: segment.timeline,
            at: segment.opened_at,
        };
        self.events.emit(self.session.event(open.clone()));
        self.finalizer.opened(open);
    }

    /// Closes the segment, which lies at `place`.
    fn close(&mut self, end_reason: EndReason, place: Option<SegmentStart>) {
        if let Some(segment) = &mut self.segment {
            if segment.offset == self.written {
                // An empty segment is removed and never announced.
                let part = self.session.part(segment.seq);
                self.segment = None;
                // If the disk refuses that too, the next start removes it.
                let _ = std::fs::remove_file(&part);
                return;
            }
            // It may have begun and ended within one read.
            if self.torn || place.is_none() {
                let begin = segment.offset;
                let starts = &self.starts;
                let first = || starts.first_in(begin, self.written);
                segment.timeline = segment.timeline.or_else(first).or_else(|| starts.within(begin));
            }
            segment.timeline = segment.timeline.or(place.map(|place| place.anchor));
        }
        self.announce();
        let Some(segment) = self.segment.take() else { return };
        let torn = std::mem::take(&mut self.torn);
        let length = place.filter(|_| !torn).map(|place| place.length);
        let closed = SegmentClosed {
            seq: segment.seq,
            path: self.session.segment(segment.seq).to_string_lossy().into_owned(),
            connection: self.connection,
            offset: segment.offset,
            bytes: self.written - segment.offset,
            blake3: segment.hasher.finalize().to_hex().to_string(),
            timeline: segment.timeline,
            duration: length.map(seconds),
            opened_at: segment.opened_at,
            closed_at: clock::wall(),
            end_reason,
        };
        self.finalizer.close(segment.file, closed);
    }
}
