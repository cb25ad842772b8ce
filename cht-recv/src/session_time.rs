//! `--session-time`: when a session is over, and the next one begins. Pure.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use cht_core::process::units;
use jiff::{Timestamp, Zoned};

/// Length of the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionTime {
    /// By the monotonic clock.
    Length(Duration),
    /// To the beginning of the next day in the machine's time zone.
    Midnight,
}

impl FromStr for SessionTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "midnight" {
            return Ok(Self::Midnight);
        }
        match units::age(text) {
            // Sessions are named by the second.
            Ok(length) if length >= Duration::from_secs(1) => Ok(Self::Length(length)),
            _ => Err("must be `midnight`, or a time with its unit, 1s or more, as 24h".to_owned()),
        }
    }
}

/// End of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    At(Instant),
    On(Timestamp),
}

impl SessionTime {
    /// Returns the end of a session that begins at `now`, on the wall clock at `local`. `None`, if
    /// that is beyond the calendar.
    pub(crate) fn end(self, now: Instant, local: &Zoned) -> Option<SessionEnd> {
        match self {
            Self::Length(length) => now.checked_add(length).map(SessionEnd::At),
            // A day has 23 or 25 hours where summer time begins or ends, and may begin at one
            // o'clock.
            Self::Midnight => {
                let tomorrow = local.date().tomorrow().ok()?;
                let begin = tomorrow.to_zoned(local.time_zone().clone()).ok()?;
                Some(SessionEnd::On(begin.start_of_day().ok()?.timestamp()))
            }
        }
    }
}

impl SessionEnd {
    /// Returns whether it has come.
    pub(crate) fn is_over(self, now: Instant, wall: Timestamp) -> bool {
        match self {
            Self::At(end) => end <= now,
            Self::On(end) => end <= wall,
        }
    }
}

#[cfg(test)]
mod tests {
    use cht_core::process::clock;

    use super::*;

    fn midnight_after(local: &str) -> String {
        let local: Zoned = local.parse().unwrap();
        let Some(SessionEnd::On(end)) = SessionTime::Midnight.end(clock::monotonic(), &local)
        else {
            panic!("{local}: no end");
        };
        end.to_zoned(local.time_zone().clone()).to_string()
    }

    #[test]
    fn midnight_is_local_also_where_summer_time_begins_and_ends() {
        for (begun, end) in [
            ("2026-11-29T23:59:59[UTC]", "2026-11-30T00:00:00+00:00[UTC]"),
            // A session that begins at midnight lasts a day.
            ("2026-11-30T00:00:00[UTC]", "2026-12-01T00:00:00+00:00[UTC]"),
            // 25 and 23 hours.
            ("2026-10-25T00:00:00[Europe/Berlin]", "2026-10-26T00:00:00+01:00[Europe/Berlin]"),
            ("2026-03-29T00:00:00[Europe/Berlin]", "2026-03-30T00:00:00+02:00[Europe/Berlin]"),
            // The day begins at one o'clock: midnight is skipped.
            (
                "2026-09-05T12:00:00[America/Santiago]",
                "2026-09-06T01:00:00-03:00[America/Santiago]",
            ),
            // Midnight comes twice: the first time counts, and the second is no other day.
            (
                "2026-04-04T23:30:00[America/Santiago]",
                "2026-04-05T00:00:00-04:00[America/Santiago]",
            ),
        ] {
            assert_eq!(midnight_after(begun), end, "{begun}");
        }
    }

    #[test]
    fn session_is_over_after_its_length_whatever_the_wall_clock_says() {
        let (now, local) = (clock::monotonic(), clock::local());
        let day: SessionTime = "24h".parse().unwrap();
        let end = day.end(now, &local).unwrap();
        let hour = Duration::from_secs(3600);
        assert!(!end.is_over(now + 23 * hour, Timestamp::MAX));
        assert!(end.is_over(now + 24 * hour, Timestamp::MIN));
    }

    #[test]
    fn time_without_unit_is_refused() {
        assert_eq!("midnight".parse(), Ok(SessionTime::Midnight));
        assert_eq!("90m".parse(), Ok(SessionTime::Length(Duration::from_secs(5400))));
        for wrong in ["", "24", "0.9s", "Midnight", "noon"] {
            assert!(wrong.parse::<SessionTime>().is_err(), "{wrong}");
        }
    }
}
