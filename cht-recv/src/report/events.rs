//! Emits events without ever waiting for their reader.
//!
//! A thread of its own writes to stdout, after a bounded queue: when the reader stalls, events are
//! dropped (the record on disk has them all); when it ends, that is reported once.

use std::{
    io::{IsTerminal as _, stdout},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use cht_core::{
    event::{Body, Event, SegmentClosed},
    ndjson,
    process::{clock, lock::lock, report},
    terminal::{Rows, units},
};

use super::counters::Counters;

/// Length of the queue: hours of events at any sensible segment time.
const QUEUE: usize = 4096;

/// `stats` events that may wait in the queue. More would take the place of others.
const PASSING: u64 = 8;

/// Longest wait for a slow reader at the end.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The recorder's end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct EventWriter {
    queue: SyncSender<Event>,
    /// Events left out since the reader stalled. The first is reported, and their number when it
    /// reads again.
    left_out: Arc<AtomicU64>,
    /// `stats` events in the queue.
    passing: Arc<AtomicU64>,
    /// Events of the session that has begun, while the one before it is still being finished.
    held: Arc<Mutex<Option<Vec<Event>>>>,
    counters: Arc<Counters>,
}

/// Waits for the queue to empty.
#[derive(Debug)]
pub(crate) struct Finish(Receiver<()>);

/// Starts the thread that writes to stdout.
pub(crate) fn start(counters: Arc<Counters>) -> std::io::Result<(EventWriter, Finish)> {
    let (queue, queued) = sync_channel::<Event>(QUEUE);
    let (finished, finish) = channel();
    let mut stdout = ndjson::stdout_of_stage(Rows::Recorded)?;
    let passing = Arc::new(AtomicU64::new(0));
    let events =
        EventWriter { queue, left_out: Arc::default(), passing, held: Arc::default(), counters };
    let passing = Arc::clone(&events.passing);
    thread::spawn(move || {
        for event in queued {
            if matches!(event.body, Body::Stats(_)) {
                passing.fetch_sub(1, Ordering::Relaxed);
            }
            let was_closed = stdout.closed();
            if let Err(error) = stdout.emit(&event) {
                report::warn(format_args!("stdout: {error}; an event was lost"));
            } else if stdout.closed() && !was_closed {
                report::note("stdout was closed by its reader; recording goes on without events");
            }
        }
        let _ = finished.send(());
    });
    Ok((events, Finish(finish)))
}

impl EventWriter {
    /// Returns a writer that holds nothing back.
    pub(crate) fn unheld(&self) -> Self {
        Self { held: Arc::default(), ..self.clone() }
    }

    /// Holds back events from now on, until they are [released](Self::release): a session ends
    /// before the next one begins.
    pub(crate) fn hold(&self) {
        lock(&self.held).get_or_insert_default();
    }

    /// Queues the events held back, and holds back no others.
    pub(crate) fn release(&self) {
        let mut held = lock(&self.held);
        held.take().into_iter().flatten().for_each(|event| self.queue(event));
    }

    /// Queues an event, or drops it if the queue is full.
    pub(crate) fn emit(&self, event: Event) {
        let mut held = lock(&self.held);
        match &mut *held {
            Some(held) if held.len() < QUEUE => held.push(event),
            _ => self.queue(event),
        }
    }

    fn queue(&self, event: Event) {
        self.counters.emitted(&event.body);
        if let Body::SegmentClosed(closed) = &event.body {
            tell(closed);
        }
        let full = matches!(self.queue.try_send(event), Err(TrySendError::Full(_)));
        let before = if full {
            self.counters.left_out();
            self.left_out.fetch_add(1, Ordering::Relaxed)
        } else {
            self.left_out.swap(0, Ordering::Relaxed)
        };
        if !full && before > 0 {
            report::note(format_args!(
                "the reader of stdout reads again; {} left out",
                units::count(before, "event")
            ));
        }
        if full && before == 0 {
            report::warn(
                "the reader of stdout has stalled; events are left out (segments.ndjson has them)",
            );
        }
    }

    /// Queues a `stats` event, or drops it if older ones are still queued: the next one makes it
    /// worthless, and a stalled reader needs the place for others.
    pub(crate) fn emit_passing(&self, event: Event) {
        if lock(&self.held).is_some() {
            return;
        }
        if self.passing.fetch_add(1, Ordering::Relaxed) >= PASSING
            || self.queue.try_send(event).is_err()
        {
            self.passing.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Reports a problem on stderr and in an `error` event.
    pub(crate) fn fail(
        &self,
        session: Option<&str>,
        code: &str,
        message: &str,
        path: Option<&str>,
    ) {
        self.emit(ndjson::failure(session, code, message, path));
    }
}

/// Tells people that a segment was closed. At a terminal, stdout shows it.
fn tell(closed: &SegmentClosed) {
    if !stdout().is_terminal() {
        let length = closed.duration.map(|seconds| format!(", {}", units::span(seconds)));
        let length = length.unwrap_or_default();
        let size = units::size(closed.bytes);
        report::detail(format_args!("segment {} closed{length}, {size}", closed.seq));
    }
}

impl Finish {
    /// Waits until all events are written. All writers must be dropped.
    pub(crate) fn wait(self) {
        if clock::receive_within(&self.0, LAST_WAIT).is_err() {
            report::warn("the reader of stdout has stalled; its last events were left out");
        }
    }
}
