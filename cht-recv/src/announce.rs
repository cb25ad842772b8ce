//! Events out, without ever waiting for whoever reads them.
//!
//! A thread of its own writes to stdout. Between it and the recorder is a bounded queue: when the reader
//! stalls, events are dropped (the record on disk has them all); when it goes, that is said once.

use std::{
    sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    thread,
    time::Duration,
};

use cht_core::{clock, event::Event, ndjson, report};

/// Hours of events at any sensible segment time.
const QUEUE: usize = 4096;

/// How long the end waits for a reader that is slow.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// The recorder's end of the queue.
#[derive(Debug, Clone)]
pub(crate) struct Announcer {
    queue: SyncSender<Event>,
}

/// Waits for the queue to empty.
#[derive(Debug)]
pub(crate) struct Finish(Receiver<()>);

/// Starts the thread that writes to stdout.
pub(crate) fn start() -> std::io::Result<(Announcer, Finish)> {
    let (queue, events) = sync_channel::<Event>(QUEUE);
    let (finished, finish) = channel();
    let mut stdout = ndjson::stdout()?;
    thread::spawn(move || {
        for event in events {
            let was_closed = stdout.closed();
            if let Err(error) = stdout.emit(&event) {
                report::warn(format_args!("stdout: {error}; an event was lost"));
            } else if stdout.closed() && !was_closed {
                report::note("stdout was closed by its reader; recording goes on without events");
            }
        }
        let _ = finished.send(());
    });
    Ok((Announcer { queue }, Finish(finish)))
}

impl Announcer {
    /// Hands an event over; never waits.
    pub(crate) fn emit(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(event) {
            report::warn(
                "the reader of stdout has stalled; an event was left out (segments.ndjson has it)",
            );
        }
    }
}

impl Finish {
    /// Waits until all events are written. All announcers must be gone.
    pub(crate) fn wait(self) {
        if clock::receive_within(&self.0, LAST_WAIT).is_err() {
            report::warn("the reader of stdout has stalled; its last events were left out");
        }
    }
}
