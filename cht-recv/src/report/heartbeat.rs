//! The duties of the main loop besides recording: `stats` events, and signs of life for the service
//! manager. Only a loop that runs gives them.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    time::{Duration, Instant},
};

use cht_core::{
    event::{Event, RecvStats, Stats, rounded},
    process::{
        clock,
        report::{self, Limited},
    },
};

use super::{counters::Counters, events::EventWriter, systemd::Systemd, visits::Visits};
use crate::received::Seen;

/// The main loop's side of [`Counters`].
#[derive(Debug)]
pub(crate) struct Heartbeat {
    counters: Arc<Counters>,
    events: EventWriter,
    systemd: Systemd,
    /// Time between two `stats` events; `None` for no events.
    interval: Option<Duration>,
    /// When the last `stats` event was made, and the bytes received by then.
    last: Cell<(Instant, u64)>,
    /// Name of the session, once there is one.
    session: RefCell<Option<String>>,
    peer: RefCell<Option<String>>,
    strays: RefCell<Limited>,
    visits: Visits,
}

/// Time between two messages about wrong time stamps.
const SAY_AGAIN: Duration = Duration::from_secs(60);

impl Heartbeat {
    /// Starts the heartbeat at `now`.
    pub(crate) fn new(
        counters: Arc<Counters>,
        events: EventWriter,
        interval: Option<Duration>,
        now: Instant,
    ) -> Self {
        Self {
            counters,
            events,
            systemd: Systemd::of_environment(now),
            interval,
            last: Cell::new((now, 0)),
            session: RefCell::default(),
            peer: RefCell::default(),
            strays: RefCell::new(Limited::new(SAY_AGAIN)),
            visits: Visits::new(),
        }
    }

    /// Returns the writer of events.
    pub(crate) fn events(&self) -> &EventWriter {
        &self.events
    }

    /// Notes that senders can connect, and are recorded into `session`.
    pub(crate) fn listening(&self, session: &str, address: &str) {
        self.session.replace(Some(session.to_owned()));
        self.visits.listening(address);
        self.systemd.tell(&format!("READY=1\nSTATUS=listening on {address}"));
    }

    /// Notes that the sender is recorded into `session` from now on.
    pub(crate) fn enter(&self, session: &str) {
        self.session.replace(Some(session.to_owned()));
    }

    /// Notes a new sender.
    pub(crate) fn connected(&self, peer: &str) {
        self.counters.connected();
        self.visits.begin(peer, self.counters.so_far());
        self.peer.replace(Some(peer.to_owned()));
        self.systemd.tell(&format!("STATUS=recording {peer}"));
    }

    /// Notes bytes that arrived at `now`, with `seen` in them.
    pub(crate) fn received(&self, bytes: usize, seen: &Seen, now: Instant) {
        self.counters.received(bytes, seen, now);
        if seen.strays > 0 {
            let message = "a picture's time stamp fits neither those before nor those after; \
                           it is recorded, but has no place on the timeline";
            self.strays.borrow_mut().note(now, message);
        }
    }

    /// Reports a problem on stderr and in an `error` event.
    pub(crate) fn complain(&self, code: &str, message: &str) {
        self.events.fail(self.session.borrow().as_deref(), code, message, None);
    }

    /// Notes that the sender has gone, and all its bytes are counted.
    pub(crate) fn disconnected(&self, reason: &str) {
        self.counters.disconnected();
        self.visits.end(reason, self.counters.so_far());
        self.peer.take();
        if self.interval.is_some() {
            self.stats(clock::monotonic());
        }
        self.systemd.tell("STATUS=waiting for a sender");
    }

    /// Notes that no more senders are served, and the last segment is being finished.
    pub(crate) fn stopping(&self) {
        self.systemd.tell("STOPPING=1\nSTATUS=finishing the last segment");
    }

    /// Tells people the result of the run, when all segments are finished.
    pub(crate) fn recorded(&self) {
        let counters = self.counters.snapshot(clock::monotonic());
        let session = self.session.borrow();
        let session = session.as_deref().unwrap_or_default();
        self.visits.recorded(session, counters.bytes, counters.segments);
    }

    /// Returns when [`Self::beat`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let due = self.interval.map(|interval| self.last.get().0 + interval);
        due.into_iter().chain(self.systemd.deadline()).min()
    }

    /// Does everything that is due at `now`.
    pub(crate) fn beat(&self, now: Instant) {
        self.systemd.feed(now);
        if self.interval.is_some_and(|interval| self.last.get().0 + interval <= now) {
            self.stats(now);
        }
    }

    /// Emits a `stats` event.
    fn stats(&self, now: Instant) {
        let counters = self.counters.snapshot(now);
        let (at, before) = self.last.replace((now, counters.bytes));
        let interval = now.saturating_duration_since(at).as_secs_f64();
        // Over less than a millisecond, a rate means nothing.
        let bits = (counters.bytes - before) as f64 * 8.0;
        let bitrate = (bits / interval.max(0.001)).round() as u64;
        let recv = RecvStats { bitrate, ..counters.stats() };
        if let Some(peer) = &*self.peer.borrow() {
            let rate = recv.bitrate as f64 / 1e6;
            self.systemd.tell(&format!("STATUS=recording {peer}, {rate:.1} Mbit/s"));
        }
        let stats = Stats {
            stage: report::stage().to_owned(),
            at: clock::wall(),
            interval: rounded(interval),
            recv: Some(recv),
            scenes: None,
            audio: None,
        };
        self.events.emit_passing(Event::new(self.session.borrow().clone(), stats));
    }
}
