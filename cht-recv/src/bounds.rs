//! How far a segment may go, whatever the stream says. Pure.

use std::time::{Duration, Instant};

/// So much before the bound in bytes, at most, a picture is looked for at which to end.
const MOST_RESERVE: u64 = 8 << 20;

/// Of a pause only so much counts: a source that waits is no endless segment.
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// A stream whose last time stamp is older than this, while its bytes come, shows no picture to end at.
const SILENT: Duration = Duration::from_secs(1);

/// The bounds of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub bytes: u64,
    /// By the stream's clock, and by the clock of arrival.
    pub time: Duration,
}

impl Bounds {
    /// From so many bytes on a segment ends at the next picture, so that it need not end within one.
    pub(crate) fn soft_bytes(&self) -> u64 {
        self.bytes - (self.bytes / 8).min(MOST_RESERVE)
    }
}

/// How long a segment has been arriving, its pauses left out.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    lasted: Duration,
    last: Option<Instant>,
    /// When the last time stamp of the stream came.
    stamp: Option<Instant>,
}

impl Arrival {
    /// Bytes of the segment arrived at `now`; how long it has been arriving.
    pub(crate) fn observe(&mut self, now: Instant) -> Duration {
        if let Some(last) = self.last.replace(now) {
            self.lasted += now.saturating_duration_since(last).min(MOST_PAUSE);
        }
        self.lasted
    }

    /// The stream's clock was seen at `now`.
    pub(crate) fn stamped(&mut self, now: Instant) {
        self.stamp = Some(now);
    }

    /// Whether no picture can be expected at `now`.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.stamp.is_none_or(|stamp| now.saturating_duration_since(stamp) >= SILENT)
    }

    /// A segment begins with what comes next.
    pub(crate) fn restart(&mut self) {
        self.lasted = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_counts_for_little() {
        let start = Instant::now();
        let mut arrival = Arrival::default();
        assert_eq!(arrival.observe(start), Duration::ZERO);
        arrival.observe(start + Duration::from_millis(300));
        let lasted = arrival.observe(start + Duration::from_secs(3600));
        assert_eq!(lasted, Duration::from_millis(1300));
        assert!(arrival.is_silent(start));
        arrival.stamped(start);
        assert!(!arrival.is_silent(start + Duration::from_millis(900)));
        arrival.restart();
        assert_eq!(arrival.observe(start + Duration::from_secs(3600)), Duration::ZERO);
    }

    #[test]
    fn the_reserve_is_an_eighth_and_not_too_much() {
        let soft = |bytes| Bounds { bytes, time: Duration::ZERO }.soft_bytes();
        assert_eq!((soft(80_000), soft(1 << 30)), (70_000, (1 << 30) - (8 << 20)));
    }
}
