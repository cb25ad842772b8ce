//! Wall clock of a file's first byte, by its name. Pure.
//!
//! Recorders write local time, unless the name says otherwise; the caller knows the time zone.

use std::path::Path;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// Years that a recording may be of.
const YEARS: std::ops::RangeInclusive<i16> = 1990..=2100;

/// Seconds since 1970 that a number of ten digits may be, as `%s` of ffmpeg's segment muxer.
const EPOCH: std::ops::RangeInclusive<i64> = 1_000_000_000..=4_102_444_800;

/// Returns the wall clock that the name of a file tells.
pub(crate) fn at(path: &Path, zone: &TimeZone) -> Option<Timestamp> {
    if let Some(frigate) = frigate(path) {
        return Some(frigate.at);
    }
    let name = path.file_stem()?.to_str()?.as_bytes();
    let starts = (0..name.len()).filter(|at| *at == 0 || !name[at - 1].is_ascii_digit());
    let read = |at| Reader { text: name, at };
    starts.into_iter().find_map(|at| read(at).date_time(zone).or_else(|| read(at).epoch()))
}

/// The parts of a name of frigate: `YYYY-MM-DD/HH/CAMERA/MM.SS.mp4`.
#[derive(Debug, PartialEq)]
pub(crate) struct Frigate<'a> {
    pub camera: &'a str,
    pub at: Timestamp,
}

/// Reads the last four components of a path as frigate names them, in UTC.
pub(crate) fn frigate(path: &Path) -> Option<Frigate<'_>> {
    let mut components = path.components().rev().map(|part| part.as_os_str().to_str());
    let (name, camera) = (components.next()??, components.next()??);
    let (hour, day) = (components.next()??, components.next()??);
    let (time, _extension) = name.rsplit_once('.')?;
    let (minute, second) = time.split_once('.')?;
    let of_two = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    if ![hour, minute, second].into_iter().all(of_two) || day.len() != 10 {
        return None;
    }
    let time: DateTime = format!("{day}T{hour}:{minute}:{second}").parse().ok()?;
    let at = time.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some(Frigate { camera, at })
}

/// Reads numbers of a fixed length, and the separators between them.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// Reads `2026-11-28_07-00-10`, with other separators or none, a fraction, and `Z` or an
    /// offset.
    fn date_time(mut self, zone: &TimeZone) -> Option<Timestamp> {
        let year = self.number(4)?;
        self.skip(b"-_.");
        let month = self.number(2)?;
        self.skip(b"-_.");
        let day = self.number(2)?;
        while self.skip(b" T_-") {}
        let hour = self.number(2)?;
        self.skip(b"-_:.h");
        let minute = self.number(2)?;
        self.skip(b"-_:.m");
        let second = self.number(2)?;
        let nanosecond = self.fraction();
        if self.peek().is_some_and(|b| b.is_ascii_digit()) || !YEARS.contains(&year) {
            return None;
        }
        let [month, day, hour, minute, second] =
            [month, day, hour, minute, second].map(|number| i8::try_from(number).ok());
        let time = DateTime::new(year, month?, day?, hour?, minute?, second?, nanosecond).ok()?;
        let utc = self.offset();
        let (time, zone) = match utc {
            Some(minutes) => {
                (time.checked_sub(jiff::Span::new().minutes(minutes)).ok()?, TimeZone::UTC)
            }
            None => (time, zone.clone()),
        };
        Some(time.to_zoned(zone).ok()?.timestamp())
    }

    /// Reads seconds since 1970.
    fn epoch(self) -> Option<Timestamp> {
        let digits: Vec<u8> =
            self.text[self.at..].iter().copied().take_while(u8::is_ascii_digit).collect();
        let number: i64 = std::str::from_utf8(&digits).ok()?.parse().ok()?;
        match digits.len() {
            10 => EPOCH.contains(&number).then(|| Timestamp::from_second(number).ok())?,
            13 => EPOCH
                .contains(&(number / 1000))
                .then(|| Timestamp::from_millisecond(number).ok())?,
            _ => None,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Passes over one of `separators`.
    fn skip(&mut self, separators: &[u8]) -> bool {
        let is_one = self.peek().is_some_and(|b| separators.contains(&b));
        self.at += usize::from(is_one);
        is_one
    }

    fn number(&mut self, digits: usize) -> Option<i16> {
        let text = self.text.get(self.at..self.at + digits)?;
        let number = text
            .iter()
            .try_fold(0_i16, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i16::from(b - b'0')))?;
        self.at += digits;
        Some(number)
    }

    /// Reads `-123` or `-123456` after the seconds, in nanoseconds; 0 if there is none.
    fn fraction(&mut self) -> i32 {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let has_separator = self.peek().is_some_and(|b| b"-_.".contains(&b));
        if !has_separator || (digits != 3 && digits != 6) {
            return 0;
        }
        self.at += 1 + digits;
        let number = rest[..digits].iter().fold(0, |sum, b| sum * 10 + i32::from(b - b'0'));
        number * if digits == 3 { 1_000_000 } else { 1_000 }
    }

    /// Reads `Z`, `+0100` or `-0530`, in minutes.
    fn offset(&mut self) -> Option<i64> {
        if self.skip(b"Zz") {
            return Some(0);
        }
        let sign = match self.peek()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.at += 1;
        let hours = self.number(2)?;
        self.skip(b":");
        let minutes = self.number(2)?;
        let is_end = self.peek().is_none_or(|b| !b.is_ascii_digit());
        (is_end && hours < 24 && minutes < 60)
            .then_some(sign * (i64::from(hours) * 60 + i64::from(minutes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_recorders_tell_wall_clock() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        for (path, expected) in [
            ("/r/2026-11-28/07/front/09.30.mp4", Some("2026-11-28T07:09:30Z")),
            ("/r/cam/2026-11-28_07-00-10-123456.mp4", Some("2026-11-28T05:00:10.123456Z")),
            ("/r/2026-11-28 07-00-10.mkv", Some("2026-11-28T05:00:10Z")),
            ("/r/front_20261128_070010.ts", Some("2026-11-28T05:00:10Z")),
            ("/r/20261128T070010Z.ts", Some("2026-11-28T07:00:10Z")),
            ("/r/2026-11-28T07-00-10+0100_x.ts", Some("2026-11-28T06:00:10Z")),
            ("/r/cam2_20261128070010.ts", Some("2026-11-28T05:00:10Z")),
            ("/r/1764313210.ts", Some("2025-11-28T07:00:10Z")),
            ("/r/a_1764313210500.ts", Some("2025-11-28T07:00:10.5Z")),
            ("/r/out001.ts", None),
            ("/r/segment_000001.ts", None),
            ("/r/2026-13-28_07-00-10.ts", None),
            ("/r/99991128_070010.ts", None),
        ] {
            let expected = expected.map(|text| text.parse::<Timestamp>().unwrap());
            assert_eq!(at(Path::new(path), &zone), expected, "{path}");
        }
    }

    #[test]
    fn frigate_names_camera() {
        let path = Path::new("/media/recordings/2026-11-28/23/front door/59.50.mp4");
        assert_eq!(frigate(path).unwrap().camera, "front door");
        assert_eq!(frigate(Path::new("/2026-11-28/23/a/b/59.50.mp4")), None);
        assert_eq!(frigate(Path::new("/r/2026-11-28/24/a/59.50.mp4")), None);
    }
}
