//! Records one session: connections come one after another, and each becomes a run of segments.

use std::{fs::File, os::unix::net::UnixStream, path::PathBuf, rc::Rc, time::Instant};

use anyhow::{Result, bail};
use cht_core::{
    event::{Body, Connected, Disconnected, EndReason, Listening},
    process::clock,
    session::{Session, segment_log::SegmentLog},
    timeline::Timeline,
};
use cht_ts::time::ticks;

use super::{
    adopt::end_of,
    finalizer::{Begin, Finalizer},
    limits::SegmentLimits,
    options::Plan,
    output::Output,
    playlist_file::PlaylistFile,
    recover::recover,
    retention::Retention,
    segmenter::{Cut, Segmenter},
    session_files::{Ended, NextSession, SessionFiles},
};
use crate::report::heartbeat::Heartbeat;

/// Reason of a `disconnected` whose connection continues in the next session.
const NEXT_SESSION: &str = "next session";

/// Records connections into one session after another.
#[derive(Debug)]
pub(crate) struct Recorder {
    files: SessionFiles,
    /// Readable when the recorder is asked to stop.
    stop: UnixStream,
    timeline: Timeline,
    /// Minimum length of a segment, in ticks.
    segment_time: i64,
    bounds: SegmentLimits,
    heartbeat: Rc<Heartbeat>,
}

impl Recorder {
    /// Continues `session`, which `lock` belongs to, where its record ends.
    pub(crate) fn new(
        session: Session,
        lock: File,
        stop: &UnixStream,
        plan: &Plan,
        heartbeat: Rc<Heartbeat>,
    ) -> Result<Self> {
        recover(&session, plan.bounds.adopted_bytes(), heartbeat.events())?;
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
            let events = heartbeat.events().clone();
            Box::new(Retention::new(plan.retention, sessions, Some(session.clone()), events))
        });
        let begin = (Begin::First(retention), plan.retention.any());
        let (thread_stop, beat) = (stop.try_clone()?, Rc::clone(&heartbeat));
        let finalizer = Finalizer::start(session.clone(), playlist, begin, thread_stop, beat)?;
        let numbers = (next_seq, record.connections());
        Ok(Self {
            files: SessionFiles::open(session, lock, numbers, finalizer),
            stop: stop.try_clone()?,
            timeline,
            segment_time: ticks(plan.segment_time),
            bounds: plan.bounds,
            heartbeat,
        })
    }

    /// Returns the recorded session.
    pub(crate) fn session(&self) -> &Session {
        &self.files.session
    }

    /// Announces that senders can connect.
    pub(crate) fn listening(&self, listening: Listening) {
        self.heartbeat.listening(self.files.session.name(), &listening.address);
        self.heartbeat.events().emit(self.files.session.event(listening));
    }

    /// Goes on with the next session, while no sender is connected.
    pub(crate) fn turn_over(&mut self, next: NextSession) -> Result<()> {
        // A sender to come gets its place on the line when it comes.
        self.timeline = Timeline::default();
        self.files.turn_over(next, 0, &self.stop, &self.heartbeat)
    }

    /// Starts the connection of a sender.
    pub(crate) fn connection(&mut self, peer: &str) -> Connection<'_> {
        self.files.connections += 1;
        let connection = Connection {
            peer: peer.to_owned(),
            segmenter: Segmenter::new(&mut self.timeline, self.segment_time, self.bounds),
            heartbeat: &self.heartbeat,
            stop: &self.stop,
            out: Output::new(&mut self.files, &self.heartbeat, &self.stop),
            held: Vec::new(),
        };
        connection.announce();
        connection
    }

    /// Returns the number of the last connection.
    pub(crate) fn connections(&self) -> u32 {
        self.files.connections
    }

    /// Emits an event after those of the segments closed before it.
    pub(crate) fn emit_last(&self, body: impl Into<Body>) {
        self.files.finalizer.emit(self.files.session.event(body));
    }

    /// Waits until all segments are closed.
    pub(crate) fn finish(self) -> Result<Ended> {
        self.files.finish()
    }
}

/// A connection that is being recorded.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    /// Address of the sender.
    peer: String,
    heartbeat: &'a Rc<Heartbeat>,
    stop: &'a UnixStream,
    segmenter: Segmenter<'a>,
    out: Output<'a>,
    /// Received bytes that are not written yet, because a cut may still fall before them.
    held: Vec<u8>,
}

impl Connection<'_> {
    /// Announces the sender in its session.
    fn announce(&self) {
        let (connection, peer) = (self.out.files.connections, self.peer.clone());
        self.emit(Connected { connection, peer, at: clock::wall() });
    }

    /// Emits an event about the session.
    fn emit(&self, body: impl Into<Body>) {
        self.heartbeat.events().emit(self.out.files.session.event(body));
    }

    /// Records bytes that arrived at `now`. If there is a `next` session, it begins with the first
    /// keyframe that comes.
    pub(crate) fn push(
        &mut self,
        bytes: &[u8],
        now: Instant,
        next: &mut Option<NextSession>,
    ) -> Result<()> {
        if self.out.files.finalizer.has_failed() {
            bail!("{}: segments cannot be finished", self.out.files.session.stream().display());
        }
        if next.is_some() {
            self.segmenter.ask_for_cut();
        }
        let cuts = self.segmenter.push(bytes, now);
        self.heartbeat.received(bytes.len(), &self.segmenter.take_seen(), now);
        self.write_tables();
        self.record(cuts, bytes, next)
    }

    /// Writes the tables, if they are new.
    fn write_tables(&mut self) {
        if let Some(tables) = self.segmenter.new_tables() {
            self.out.files.finalizer.tables(self.out.files.connections, tables);
        }
    }

    /// Returns when [`Self::rest`] is due, if nothing more comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.segmenter.deadline()
    }

    /// Writes a picture that has waited too long for the next one. Nothing has come up to `now`.
    pub(crate) fn rest(&mut self, now: Instant) -> Result<()> {
        let cuts = self.segmenter.rest(now);
        self.record(cuts, &[], &mut None)
    }

    /// Makes these cuts, and writes the settled part of the held bytes and of `bytes`.
    fn record(
        &mut self,
        cuts: Vec<Cut>,
        bytes: &[u8],
        next: &mut Option<NextSession>,
    ) -> Result<()> {
        self.out.extend_starts(self.segmenter.take_starts());
        let mut rest = bytes;
        self.cut(cuts, &mut rest, next)?;
        self.write_up_to(self.segmenter.settled(), &mut rest)?;
        self.held.extend_from_slice(rest);
        self.out.place(self.segmenter.anchor());
        self.out.announce_if_placed();
        Ok(())
    }

    /// Makes cuts in the held bytes, and then in `rest`. The `next` session begins at the first of
    /// them that has a place on the timeline, if any has.
    fn cut(
        &mut self,
        cuts: Vec<Cut>,
        rest: &mut &[u8],
        next: &mut Option<NextSession>,
    ) -> Result<()> {
        for Cut { offset, reason, before, anchor } in cuts {
            // A cut before bytes that are written already comes late, but loses nothing.
            self.write_up_to(offset, rest)?;
            self.out.close(reason, before);
            if (anchor.is_some() || before.is_none())
                && let Some(next) = next.take()
            {
                self.turn_over(next, anchor.map_or(0, |anchor| anchor.offset))?;
            }
            self.out.begin(anchor);
        }
        Ok(())
    }

    /// Ends the connection in this session, and continues it in the next one.
    fn turn_over(&mut self, next: NextSession, origin: i64) -> Result<()> {
        let files = &self.out.files;
        files.finalizer.emit(files.session.event(Disconnected {
            connection: files.connections,
            peer: self.peer.clone(),
            reason: NEXT_SESSION.to_owned(),
            bytes: self.out.recorded(),
            at: clock::wall(),
        }));
        let files = &mut *self.out.files;
        files.turn_over(next, origin, self.stop, self.heartbeat)?;
        files.connections = 1;
        self.out.enter();
        self.announce();
        self.segmenter.repeat_tables();
        self.write_tables();
        Ok(())
    }

    /// Writes held bytes, then bytes of `rest`, up to the offset `end` of the connection.
    fn write_up_to(&mut self, end: u64, rest: &mut &[u8]) -> Result<()> {
        let mut missing = end.saturating_sub(self.out.written()) as usize;
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
    /// received, as far as they are in this session.
    pub(crate) fn finish(mut self, reason: EndReason) -> Result<u64> {
        let cuts = self.segmenter.finish();
        self.out.extend_starts(self.segmenter.take_starts());
        self.cut(cuts, &mut [].as_slice(), &mut None)?;
        let held = std::mem::take(&mut self.held);
        self.out.write(&held)?;
        self.out.close(reason, self.segmenter.place());
        Ok(self.out.recorded())
    }
}
