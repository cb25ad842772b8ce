//! Records one session: connections come one after another, and each becomes a run of segments.

use std::{os::unix::net::UnixStream, path::PathBuf, rc::Rc, time::Instant};

use anyhow::{Result, bail};
use cht_core::{
    event::{Body, EndReason, Listening},
    process::clock,
    session::{Session, segment_log::SegmentLog},
    timeline::Timeline,
};
use cht_ts::time::ticks;

use super::{
    adopt::end_of,
    finalizer::Finalizer,
    limits::SegmentLimits,
    options::Plan,
    output::Output,
    playlist_file::PlaylistFile,
    recover::recover,
    retention::Retention,
    segmenter::{Cut, Segmenter},
};
use crate::report::heartbeat::Heartbeat;

/// Records connections into one session.
#[derive(Debug)]
pub(crate) struct Recorder {
    session: Session,
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
            Retention::new(plan.retention, sessions, Some(session.clone()), events)
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
        self.heartbeat.events().emit(self.session.event(listening));
    }

    /// Starts a connection.
    pub(crate) fn connection(&mut self) -> Connection<'_> {
        self.connections += 1;
        Connection {
            number: self.connections,
            segmenter: Segmenter::new(&mut self.timeline, self.segment_time, self.bounds),
            session: &self.session,
            finalizer: &self.finalizer,
            heartbeat: &self.heartbeat,
            out: Output::new(
                &self.session,
                &self.finalizer,
                &self.heartbeat,
                &self.stop,
                self.connections,
                &mut self.next_seq,
            ),
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
    session: &'a Session,
    finalizer: &'a Finalizer,
    heartbeat: &'a Heartbeat,
    segmenter: Segmenter<'a>,
    out: Output<'a>,
    /// Received bytes that are not written yet, because a cut may still fall before them.
    held: Vec<u8>,
}

impl Connection<'_> {
    /// Emits an event about the session.
    pub(crate) fn emit(&self, body: impl Into<Body>) {
        self.heartbeat.events().emit(self.session.event(body));
    }

    /// Records bytes that arrived at `now`.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant) -> Result<()> {
        if self.finalizer.has_failed() {
            bail!("{}: segments cannot be finished", self.session.stream().display());
        }
        let cuts = self.segmenter.push(bytes, now);
        self.heartbeat.received(bytes.len(), &self.segmenter.take_seen(), now);
        if let Some(tables) = self.segmenter.new_tables() {
            self.finalizer.tables(self.number, tables);
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

    /// Makes these cuts, and writes the settled part of the held bytes and of `bytes`.
    fn record(&mut self, cuts: Vec<Cut>, bytes: &[u8]) -> Result<()> {
        self.out.extend_starts(self.segmenter.take_starts());
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
    /// received.
    pub(crate) fn finish(mut self, reason: EndReason) -> Result<u64> {
        let cuts = self.segmenter.finish();
        self.out.extend_starts(self.segmenter.take_starts());
        self.cut(cuts, &mut [].as_slice())?;
        let held = std::mem::take(&mut self.held);
        self.out.write(&held)?;
        self.out.close(reason, self.segmenter.place());
        Ok(self.out.written())
    }
}
