//! Emits the counts of a stage as `stats` at intervals.

use std::{
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    event::{Stats, rounded},
    process::{clock, report},
};

/// Counts that a stage emits.
pub trait Counted: Send + Sync + 'static {
    /// Time between two `stats`; `None` turns them off.
    fn interval(&self) -> Option<Duration>;

    /// Tells whether anything has changed since the last `stats`.
    fn has_changed(&self) -> bool;

    /// Emits `stats`.
    fn say(&self);
}

/// Returns the interval of an option in seconds, of which 0 turns `stats` off.
#[must_use]
pub fn interval(seconds: f64) -> Option<Duration> {
    Some(Duration::from_secs_f64(seconds)).filter(|interval| !interval.is_zero())
}

/// Returns `stats` without counts, for the time since the last ones at `last`, which is now from
/// here on.
#[must_use]
pub fn stats_since(last: &mut Instant) -> Stats {
    let now = clock::monotonic();
    let before = std::mem::replace(last, now);
    Stats {
        stage: report::stage().to_owned(),
        at: clock::wall(),
        interval: rounded(now.saturating_duration_since(before).as_secs_f64()),
        recv: None,
        scenes: None,
        audio: None,
    }
}

/// Thread that emits `stats` at intervals.
#[derive(Debug)]
pub struct Heartbeat {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Heartbeat {
    /// Starts it; `None` if `stats` are off.
    pub fn start<C: Counted>(counters: &Arc<C>) -> Option<Self> {
        let interval = counters.interval()?;
        let counters = Arc::clone(counters);
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while clock::receive_within(&stopped, interval) == Err(RecvTimeoutError::Timeout) {
                if counters.has_changed() {
                    counters.say();
                }
            }
            counters.say();
        });
        Some(Self { stop, thread })
    }

    /// Emits the last `stats`, and ends the thread.
    pub fn finish(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}
