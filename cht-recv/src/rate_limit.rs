//! `--max-bitrate`: how many bytes may be read now. Pure.
//!
//! Other bytes wait in the sender, which TCP slows down. Nothing is dropped.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use cht_core::process::units;

/// Bits per second, such as `20M`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bitrate(f64);

impl FromStr for Bitrate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match units::scaled(text, &units::DECIMAL).filter(|bits| (1e3..=1e12).contains(bits)) {
            Some(bits) => Ok(Self(bits)),
            None => Err("must be bits per second from 1k to 1T, as 20M".to_owned()),
        }
    }
}

/// A token bucket that holds a tenth of a second of bytes.
#[derive(Debug)]
pub(crate) struct RateLimit {
    /// Bytes per second.
    rate: f64,
    /// Bytes that may be read; negative after reading more.
    tokens: f64,
    at: Instant,
}

/// Size of the bucket, in seconds.
const BURST: f64 = 0.1;

impl RateLimit {
    /// Creates a bucket that is full at `now`.
    pub(crate) fn new(Bitrate(bits): Bitrate, now: Instant) -> Self {
        let rate = bits / 8.0;
        Self { rate, tokens: rate * BURST, at: now }
    }

    /// Returns the bytes that may be read at `now`: 0, or at least half of the bucket.
    pub(crate) fn allowance(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + passed * self.rate).min(self.rate * BURST);
        // Reading each byte as soon as it is allowed would cost a call per byte.
        if self.tokens < self.rate * BURST / 2.0 { 0 } else { self.tokens as usize }
    }

    /// Returns when bytes may be read again.
    pub(crate) fn refilled(&self) -> Instant {
        let missing = (self.rate * BURST / 2.0 - self.tokens).max(0.0) / self.rate;
        // A microsecond more, so that rounding causes no early wakeup.
        self.at + Duration::from_secs_f64(missing) + Duration::from_micros(1)
    }

    /// Notes that `bytes` were read.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_reader_gets_rate_and_one_burst() {
        let start = Instant::now();
        let mut pace = RateLimit::new("8M".parse().unwrap(), start);
        let (mut now, mut read) = (start, 0);
        while now < start + Duration::from_secs(5) {
            match pace.allowance(now) {
                0 => now = pace.refilled(),
                bytes => {
                    pace.spend(bytes);
                    read += bytes;
                }
            }
        }
        assert!((4_900_000..=5_200_000).contains(&read), "{read}");
    }

    #[test]
    fn bitrate_is_parsed_with_unit() {
        assert_eq!("20M".parse(), Ok(Bitrate(2e7)));
        assert_eq!("1.5k".parse(), Ok(Bitrate(1500.0)));
        assert_eq!("64000".parse(), Ok(Bitrate(64000.0)));
        for wrong in ["", "M", "0", "-1M", "nan", "inf", "20m", "999"] {
            assert!(wrong.parse::<Bitrate>().is_err(), "{wrong}");
        }
    }
}
