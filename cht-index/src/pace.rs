//! When `index.json` may be written: at once while it is small, and as rarely as keeps its cost
//! within bounds when it is large. Pure.

use std::time::{Duration, Instant};

/// Bytes that are read and written per second in the long run. A core does thirty times as much,
/// and a disk that wears lasts years.
const RATE: f64 = 4e6;

/// Bytes that may be written ahead of the rate after a pause: many small files, or one large one.
const BURST: f64 = 16e6;

/// Cost of a file in addition to its bytes: names and syncs.
const FILE: f64 = 32e3;

/// Cost of a byte that is written, in bytes that are read.
const READING: f64 = 4.0;

/// Balance of bytes. It grows with time, a file takes its size, and the next one waits until it is
/// positive.
#[derive(Debug)]
pub(crate) struct Pace {
    balance: f64,
    at: Instant,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { balance: BURST, at: now }
    }

    /// Returns the time until a file may be written; zero for now.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.balance, self.at) = ((self.balance + passed * RATE).min(BURST), now.max(self.at));
        Duration::from_secs_f64((-self.balance / RATE).max(0.0))
    }

    /// Takes the cost of a file of `bytes` that was written.
    pub(crate) fn spend(&mut self, bytes: u64) {
        self.balance -= bytes as f64 + FILE;
    }

    /// Takes the cost of a file of `bytes` that was read and compared.
    pub(crate) fn spend_on_reading(&mut self, bytes: u64) {
        self.balance -= bytes as f64 / READING;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes as often as is allowed for an hour; the bytes, and the longest wait.
    fn hour(size: u64) -> (u64, Duration) {
        let begin = Instant::now();
        let (mut pace, mut now, mut bytes, mut longest) =
            (Pace::new(begin), begin, 0, Duration::ZERO);
        while now - begin < Duration::from_secs(3600) {
            let wait = pace.wait(now);
            (longest, now) = (longest.max(wait), now + wait);
            if pace.wait(now) < Duration::from_millis(1) {
                pace.spend(size);
                bytes += size;
            }
        }
        (bytes, longest)
    }

    #[test]
    fn small_file_is_written_within_second_and_large_one_within_its_share() {
        let (bytes, longest) = hour(100_000);
        assert!(longest < Duration::from_millis(50), "{longest:?}");
        assert!(bytes as f64 <= 3600.0 * RATE + BURST, "{bytes}");
        let (_, longest) = hour(3_900_000);
        assert!(longest <= Duration::from_secs(1), "{longest:?}");
        let (bytes, longest) = hour(45_000_000);
        assert!(bytes as f64 <= 3600.0 * RATE + BURST + 90e6, "{bytes}");
        assert!((11..13).contains(&longest.as_secs()), "{longest:?}");
    }

    #[test]
    fn pause_allows_burst_and_no_more() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let later = begin + Duration::from_secs(86_400);
        let mut count = 0;
        while pace.wait(later).is_zero() {
            pace.spend(1_000_000);
            count += 1;
        }
        assert_eq!(count, 16);
    }
}
