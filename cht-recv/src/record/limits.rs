//! Limits of a segment's size and length, and of how often segments end. Pure.

use std::time::{Duration, Instant};

/// Largest range before the size limit in which a picture is looked for, in bytes.
const MOST_RESERVE: u64 = 8 << 20;

/// Size up to which a leftover segment is always adopted, in bytes, however small the limit is now.
const LEAST_ADOPTED: u64 = 2 << 30;

/// Longest part of a pause that counts as arrival time: a waiting source does not lengthen a
/// segment.
const MOST_PAUSE: Duration = Duration::from_secs(1);

/// Age of the last time stamp from which on a stream whose bytes still come offers no picture to
/// end at.
const SILENT: Duration = Duration::from_secs(1);

/// Limits of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentLimits {
    pub bytes: u64,
    /// Maximum length, by the stream's clock and by arrival time.
    pub time: Duration,
}

impl SegmentLimits {
    /// Returns the size from which on a segment ends at the next picture, so that it need not end
    /// within one.
    pub(crate) fn soft_bytes(&self) -> u64 {
        self.bytes - (self.bytes / 8).min(MOST_RESERVE)
    }

    /// Returns the maximum size of a leftover segment. It allows for a larger limit at an earlier
    /// start.
    pub(crate) fn adopted_bytes(&self) -> u64 {
        self.bytes.saturating_mul(2).max(LEAST_ADOPTED)
    }
}

/// Arrival time of a segment, without pauses.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    lasted: Duration,
    last: Option<Instant>,
    /// Arrival of the stream's last time stamp.
    stamp: Option<Instant>,
}

impl Arrival {
    /// Notes that bytes of the segment arrived at `now`. Returns how long it has been arriving.
    pub(crate) fn observe(&mut self, now: Instant) -> Duration {
        if let Some(last) = self.last.replace(now) {
            self.lasted += now.saturating_duration_since(last).min(MOST_PAUSE);
        }
        self.lasted
    }

    /// Notes that a time stamp arrived at `now`.
    pub(crate) fn stamped(&mut self, now: Instant) {
        self.stamp = Some(now);
    }

    /// Returns whether no picture can be expected at `now`.
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.stamp.is_none_or(|stamp| now.saturating_duration_since(stamp) >= SILENT)
    }

    /// Returns how long the segment had been arriving when its last bytes came.
    pub(crate) fn lasted(&self) -> Duration {
        self.lasted
    }

    /// Starts a new segment.
    pub(crate) fn restart(&mut self) {
        self.lasted = Duration::ZERO;
    }
}

/// Quick cuts that can be saved up.
const SAVED: u32 = 64;
/// Pictures, and arrival time, that earn one more quick cut.
const UNITS_PER_CUT: u32 = 128;
const TIME_PER_CUT: Duration = Duration::from_secs(10);

/// Limits how often nearly empty segments end: each costs a file, three syncs and a line in the
/// playlist.
#[derive(Debug, Default)]
pub(crate) struct Allowance {
    used: u32,
    /// Pictures since they last earned a cut.
    units: u32,
    /// When the first cut in use was taken, or time last earned one.
    since: Option<Instant>,
}

impl Allowance {
    /// Notes a picture.
    pub(crate) fn unit(&mut self) {
        self.units += 1;
        if self.units >= UNITS_PER_CUT {
            self.units = 0;
            self.used = self.used.saturating_sub(1);
        }
    }

    /// Returns whether a cut is allowed at `now`.
    pub(crate) fn is_left(&self, now: Instant) -> bool {
        self.used.saturating_sub(self.earned(now)) < SAVED
    }

    /// Notes a cut at `now`.
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
        // However long the pause was.
        assert_eq!(spend(&mut allowance, later + 10_000 * TIME_PER_CUT), SAVED);
        assert_eq!(spend(&mut allowance, later + 10_000 * TIME_PER_CUT), 0);
    }

    #[test]
    fn long_pause_counts_as_short() {
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
    fn reserve_is_an_eighth_up_to_limit() {
        let soft = |bytes| SegmentLimits { bytes, time: Duration::ZERO }.soft_bytes();
        assert_eq!((soft(80_000), soft(1 << 30)), (70_000, (1 << 30) - (8 << 20)));
    }
}
