//! Times as people, scripts and models write them. Pure.

use std::str::FromStr;

use cht_core::timeline::written;
use jiff::{SignedDuration, Timestamp, ToSpan as _, civil, tz::TimeZone};

/// A time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Time {
    /// Seconds of the session: `12.5`, `0:39`, `1:02:03.5`.
    Session(f64),
    /// Seconds before the newest picture: `live`, `-30`.
    BeforeLive(f64),
    /// Wall clock: `2026-11-23T14:05:00Z`; without an offset, local.
    Wall(Timestamp),
    /// Time of day, local: `14:05`, `@14:05:30`.
    Day(civil::Time),
}

const WRONG: &str = "must be seconds (12.5), M:SS or H:MM:SS of the session (0:39, 0:14:05, 1:02:03.5), a time of day \
(14:05, @14:05:30), RFC 3339, live, or seconds before that (-30)";

impl Time {
    /// Reads a time; those without an offset are in `zone`.
    pub(crate) fn parse(text: &str, zone: &TimeZone) -> Result<Self, String> {
        let wrong = || format!("{text:?}: {WRONG}");
        if text == "live" {
            return Ok(Self::BeforeLive(0.0));
        }
        if let Some(seconds) = text.strip_prefix('-') {
            return written(seconds).map(Self::BeforeLive).ok_or_else(wrong);
        }
        if let Some(day) = text.strip_prefix('@') {
            return day.parse().map(Self::Day).map_err(|_| wrong());
        }
        if let Ok(wall) = text.parse() {
            return Ok(Self::Wall(wall));
        }
        if let Ok(date) = civil::DateTime::from_str(text).map(|date| date.to_zoned(zone.clone()))
            && text.contains(['T', ' '])
        {
            return date.map(|date| Self::Wall(date.timestamp())).map_err(|_| wrong());
        }
        // Minutes of one digit cannot be the hour of a day.
        match text.split(':').collect::<Vec<_>>()[..] {
            [hour, _] if hour.len() > 1 => text.parse().map(Self::Day).map_err(|_| wrong()),
            _ => written(text).map(Self::Session).ok_or_else(wrong),
        }
    }
}

/// Returns the time of day `day` on a date.
fn on_date(day: civil::Time, date: civil::Date, zone: &TimeZone) -> Option<Timestamp> {
    date.to_datetime(day).to_zoned(zone.clone()).ok().map(|it| it.timestamp())
}

/// Returns the time of day `day` that comes first at or after `start`.
pub(crate) fn day_after(day: civil::Time, start: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let date = start.to_zoned(zone.clone()).date();
    let at = |date| on_date(day, date, zone);
    at(date).filter(|at| *at >= start).or_else(|| at(date.checked_add(1.day()).ok()?))
}

/// Returns the time of day `day` that came last at or before `now`.
fn day_before(day: civil::Time, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let date = now.to_zoned(zone.clone()).date();
    let at = |date| on_date(day, date, zone);
    at(date).filter(|at| *at <= now).or_else(|| at(date.checked_sub(1.day()).ok()?))
}

/// Reads the beginning of a range of wall clocks: `2h` before now, or a time. A time of day is the
/// last one before now.
pub(crate) fn wall(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    read_wall(text, now, zone, |day| day_before(day, now, zone))
}

/// Reads the end of a range that begins at `since`. A time of day is the first one after that;
/// without a beginning, that of today.
pub(crate) fn wall_from(
    text: &str,
    since: Option<Timestamp>,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Timestamp, String> {
    read_wall(text, now, zone, |day| match since {
        Some(since) => day_after(day, since, zone),
        None => on_date(day, now.to_zoned(zone.clone()).date(), zone),
    })
}

/// Reads a wall clock; `of_day` gives that of a time of day.
fn read_wall(
    text: &str,
    now: Timestamp,
    zone: &TimeZone,
    of_day: impl Fn(civil::Time) -> Option<Timestamp>,
) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "{text:?}: must be as 2h, 30m, 90s or 1d before now, a time of day (14:05), or RFC 3339"
        )
    };
    if let Some(ago) = duration(text) {
        return now.checked_sub(ago).map_err(|_| wrong());
    }
    match Time::parse(text, zone) {
        Ok(Time::Wall(wall)) => Ok(wall),
        Ok(Time::Day(day)) => of_day(day).ok_or_else(wrong),
        Ok(Time::BeforeLive(0.0)) => Ok(now),
        _ => Err(wrong()),
    }
}

/// Reads `2h`, `1h30m`, `90s`, `1d`.
fn duration(text: &str) -> Option<SignedDuration> {
    let mut total = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..end].parse().ok()?;
        let unit = match rest.as_bytes()[end] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            _ => return None,
        };
        total += number.checked_mul(unit)?;
        rest = &rest[end + 1..];
    }
    (total > 0 && total < 1 << 32).then(|| SignedDuration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_times_are_told_apart() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let parse = |text| Time::parse(text, &zone);
        assert_eq!(parse("12.5"), Ok(Time::Session(12.5)));
        assert_eq!(parse("1:02:03.5"), Ok(Time::Session(3723.5)));
        assert_eq!(parse("0:39"), Ok(Time::Session(39.0)), "as `cht show` writes it");
        assert_eq!(parse("9:05.5"), Ok(Time::Session(545.5)));
        assert_eq!(parse("0:14:05"), Ok(Time::Session(845.0)));
        assert_eq!(parse("live"), Ok(Time::BeforeLive(0.0)));
        assert_eq!(parse("-30"), Ok(Time::BeforeLive(30.0)));
        assert_eq!(parse("14:05"), Ok(Time::Day(civil::time(14, 5, 0, 0))));
        assert_eq!(parse("@14:05:30"), Ok(Time::Day(civil::time(14, 5, 30, 0))));
        let wall = Ok(Time::Wall("2026-11-23T13:05:00Z".parse().unwrap()));
        for text in ["2026-11-23T14:05:00+01:00", "2026-11-23T14:05", "2026-11-23 14:05:00"] {
            assert_eq!(parse(text), wall, "{text}");
        }
        for wrong in [
            "",
            "x",
            "25:00",
            "1:60:00",
            "1:00:61",
            "0:60",
            "0:5",
            "1:2:3:4",
            "--1",
            "-",
            "1e5",
            "nan",
            "@",
            "2026-11-23",
        ] {
            assert!(parse(wrong).unwrap_err().contains("must be seconds"), "{wrong}");
        }
    }

    #[test]
    fn day_is_the_one_of_the_recording_or_the_last_one() {
        let zone = TimeZone::UTC;
        let start: Timestamp = "2026-11-23T23:50:00Z".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let after = |h, m| day_after(civil::time(h, m, 0, 0), start, &zone).unwrap();
        assert_eq!(after(23, 55), at("2026-11-23T23:55:00Z"));
        assert_eq!(after(0, 10), at("2026-11-24T00:10:00Z"));
        let now = at("2026-11-24T00:05:00Z");
        let wall = |text| wall(text, now, &zone);
        assert_eq!(wall("23:55"), Ok(at("2026-11-23T23:55:00Z")));
        assert_eq!(wall("00:01"), Ok(at("2026-11-24T00:01:00Z")));
        assert_eq!(wall("1h30m"), Ok(at("2026-11-23T22:35:00Z")));
        assert_eq!(wall("1d"), Ok(at("2026-11-23T00:05:00Z")));
        let end = |text, since: Option<&str>| wall_from(text, since.map(at), now, &zone);
        let since = Some("2026-11-23T23:50:00Z");
        assert_eq!(end("00:30", since), Ok(at("2026-11-24T00:30:00Z")), "later than now");
        assert_eq!(end("23:55", since), Ok(at("2026-11-23T23:55:00Z")));
        assert_eq!(end("23:55", None), Ok(at("2026-11-24T23:55:00Z")));
        assert_eq!(end("5m", None), Ok(at("2026-11-24T00:00:00Z")));
        for wrong in ["2", "h", "2w", "0s", "99999999999999999999h", "12.5", "yesterday"] {
            assert!(wall(wrong).unwrap_err().contains("must be as 2h"), "{wrong}");
        }
    }
}
