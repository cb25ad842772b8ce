//! Times for people, shorter than those of `cht_core::terminal::units`. Pure.

use jiff::{Timestamp, tz::TimeZone};

/// Returns a time of a session in whole seconds, rounded down: `1:02:03`, or `0:05`.
pub(crate) fn time(seconds: f64) -> String {
    let total = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours == 0 {
        format!("{minutes}:{seconds:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// Returns a wall clock time of this machine's zone, to the second.
pub(crate) fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_has_hours_where_there_are_any() {
        assert_eq!((time(5.9), time(3723.0)), ("0:05".into(), "1:02:03".into()));
        assert_eq!((time(-1.0), time(f64::NAN)), ("0:00".into(), "0:00".into()));
    }
}
