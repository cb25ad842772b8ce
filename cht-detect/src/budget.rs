//! Limits the number of frames in an hour, spread evenly over it.
//!
//! A token bucket: it fills evenly, and holds the allowances of two minutes, so that a few changes
//! in a row may each have a frame. A selection that finds it empty waits, and shows the picture at
//! the time of the next allowance.

use std::{fmt, str::FromStr};

use crate::time::SECOND;
use serde::{Deserialize, Serialize};

const HOUR: f64 = (3600 * SECOND) as f64;

/// Share of an hour whose allowances may be used at once: two minutes.
const BURST: f64 = 1.0 / 30.0;

/// Largest number of frames in any hour of the stream.
///
/// ```
/// let most: cht_detect::PerHour = "2/min".parse()?;
/// assert_eq!(most.to_string(), "120/h");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerHour(u32);

impl FromStr for PerHour {
    type Err = String;

    /// Parses `60/h` or `2/min`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?}: write how many an hour, as 60/h, or a minute, as 2/min");
        let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
        let number: u32 = number.trim().parse().map_err(|_| wrong())?;
        let hours = match unit.trim() {
            "h" | "hour" => 1,
            "m" | "min" | "minute" => 60,
            _ => return Err(wrong()),
        };
        match number.checked_mul(hours) {
            Some(0) | None => Err(wrong()),
            Some(number) => Ok(Self(number)),
        }
    }
}

impl fmt::Display for PerHour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/h", self.0)
    }
}

/// Allowances for frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Budget {
    most: PerHour,
    left: f64,
    /// When `left` was counted.
    at: Option<i64>,
}

impl Budget {
    /// Returns a full budget.
    pub(crate) fn new(most: PerHour) -> Self {
        Self { most, left: Self::burst(most), at: None }
    }

    /// Allowances that can be used at once.
    fn burst(most: PerHour) -> f64 {
        (f64::from(most.0) * BURST).max(1.0)
    }

    /// Tells whether a frame at `at` may be kept; the allowance is used if so. Times do not go
    /// back.
    pub(crate) fn take(&mut self, at: i64) -> bool {
        let burst = Self::burst(self.most);
        // With those that are there at once no hour has more than `most`.
        let an_hour = f64::from(self.most.0) - burst + 1.0;
        let passed = self.at.map_or(0, |before| (at - before).max(0));
        self.left = (self.left + passed as f64 * an_hour / HOUR).min(burst);
        self.at = Some(at.max(self.at.unwrap_or(at)));
        // A sum of one less a rounding error is one.
        let is_allowed = self.left > 1.0 - 1e-9;
        if is_allowed {
            self.left -= 1.0;
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the frames that are kept of ten a second for two hours.
    fn kept(most: &str) -> Vec<i64> {
        let mut budget = Budget::new(most.parse().unwrap());
        (0..2 * 36_000).filter(|n| budget.take(n * SECOND / 10)).collect()
    }

    #[test]
    fn allowances_are_spread_over_each_hour() {
        for (most, count) in [("1/h", 1), ("2/h", 2), ("60/h", 60), ("5/min", 300)] {
            let kept = kept(most);
            let within =
                |from: i64| kept.iter().filter(|at| (from..from + 36_000).contains(*at)).count();
            assert!((0..36_000).step_by(100).all(|from| within(from) <= count), "{most}");
            // Nearly all allowances are used, and the second half of the hour has as many as the
            // first.
            assert!(within(36_000) >= count * 29 / 30, "{most}: {}", within(36_000));
            let halves = [36_000..54_000, 54_000..72_000];
            let [first, second] =
                halves.map(|half| kept.iter().filter(|at| half.contains(*at)).count());
            assert!(first.abs_diff(second) <= 1, "{most}: {first}, {second}");
        }
    }

    #[test]
    fn senseless_rate_is_refused() {
        for text in ["", "60", "0/h", "60/day", "-1/h", "9999999999/min"] {
            assert!(text.parse::<PerHour>().is_err(), "{text:?}");
        }
        assert_eq!("2/min".parse::<PerHour>().unwrap().to_string(), "120/h");
    }
}
