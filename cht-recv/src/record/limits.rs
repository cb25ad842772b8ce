//! How far a segment may go, whatever the stream says. Pure.

use std::time::{Duration, Instant};

/// So much before the bound in bytes, at most, a picture is looked for at which to end.
const MOST_RESERVE: u64 = 8 << 20;

/// A segment that was left is adopted up to this size, in bytes, however small the bound is now.
const LEAST_ADOPTED: u64 = 2 << 30;

/// Of a pause only so much counts: a source that waits is no endless segment.
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// A stream whose last time stamp is older than this, while its bytes come, shows no picture to end at.
const SILENT: Duration = Duration::from_secs(1);

/// The bounds of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentLimits {
    pub bytes: u64,
    /// By the stream's clock, and by the clock of arrival.
    pub time: Duration,
}

impl SegmentLimits {
    /// From so many bytes on a segment ends at the next picture, so that it need not end within one.
    pub(crate) fn soft_bytes(&self) -> u64 {
        self.bytes - (self.bytes / 8).min(MOST_RESERVE)
    }

    /// A file of more bytes is no segment that a recorder has left, also if its bound was somewhat larger.
    pub(crate) fn adopted_bytes(&self) -> u64 {
        self.bytes.saturating_mul(2).max(LEAST_ADOPTED)
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

    /// How long the segment had been arriving when its last bytes came.
    pub(crate) fn lasted(&self) -> Duration {
        self.lasted
    }

    /// A segment begins with what comes next.
    pub(crate) fn restart(&mut self) {
        self.lasted = Duration::ZERO;
    }
}

/// Cuts in quick succession that are saved up at most.
const SAVED: u32 = 64;
/// Pictures, and arrival time, after which another one is allowed.
const UNITS_PER_CUT: u32 = 128;
const TIME_PER_CUT: Duration = Duration::from_secs(10);

/// Limits how often segments end that hold next to nothing: a file each, three syncs, a line in the playlist.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    used: u32,
    /// Pictures since the last one was earned by them.
    units: u32,
    /// When the first one in use was taken, or the last one was earned by time.
    since: Option<Instant>,
}

impl Allowance {
    /// A picture has come.
    pub(crate) fn unit(&mut self) {
        self.units += 1;
        if self.units >= UNITS_PER_CUT {
            self.units = 0;
            self.used = self.used.saturating_sub(1);
        }
    }

    /// Whether a cut is allowed at `now`.
    pub(crate) fn is_left(&self, now: Instant) -> bool {
        self.used.saturating_sub(self.earned(now)) < SAVED
    }

    /// A cut is made at `now`.
    pub(crate) fn take(&mut self, now: Instant) {
        let earned = self.earned(now);
        self.used = self.used.saturating_sub(earned);
        let since = self.since.filter(|_| self.used > 0);
        self.since = Some(since.map_or(now, |since| since + earned * TIME_PER_CUT));
        self.used += 1;
    }

    fn earned(&self, now: Instant) -> u32 {
        let passed =
            self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        u32::try_from(passed.as_millis() / TIME_PER_CUT.as_millis()).unwrap_or(u32::MAX).min(SAVED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowance_is_spent_and_earned() {
        let start = Instant::now();
        let mut allowance = Allowance::default();
        let spend = |allowance: &mut Allowance, now| {
            let mut cuts = 0;
            while allowance.is_left(now) {
                allowance.take(now);
                cuts += 1;
            }
            cuts
        };
        assert_eq!(spend(&mut allowance, start), SAVED);
        (0..2 * UNITS_PER_CUT).for_each(|_| allowance.unit());
        assert_eq!(spend(&mut allowance, start), 2);
        let later = start + 3 * TIME_PER_CUT + Duration::from_secs(5);
        assert_eq!(spend(&mut allowance, later), 3);
        assert_eq!(spend(&mut allowance, later + Duration::from_secs(5)), 1);
        // However long nothing came.
        assert_eq!(spend(&mut allowance, later + 10_000 * TIME_PER_CUT), SAVED);
        assert_eq!(spend(&mut allowance, later + 10_000 * TIME_PER_CUT), 0);
    }

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
        let soft = |bytes| SegmentLimits { bytes, time: Duration::ZERO }.soft_bytes();
        assert_eq!((soft(80_000), soft(1 << 30)), (70_000, (1 << 30) - (8 << 20)));
    }
}
