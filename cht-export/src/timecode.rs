//! Times as the formats write them. Pure.

use cht_ts::time::{TICKS_PER_SECOND, seconds};

use crate::rate::Rate;

/// Returns ticks as milliseconds, to the nearest.
pub(crate) fn to_milliseconds(ticks: i64) -> i64 {
    let (ticks, second) = (i128::from(ticks), i128::from(TICKS_PER_SECOND));
    (ticks * 1000 + second / 2).div_euclid(second) as i64
}

/// Returns `HH:MM:SS` with the milliseconds after `mark`.
pub(crate) fn clock(ticks: i64, mark: char) -> String {
    let milliseconds = to_milliseconds(ticks).max(0);
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}{mark}{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Returns seconds as precisely as ticks are, with three decimals or more.
pub(crate) fn exact_seconds(ticks: i64) -> String {
    let text = format!("{:.6}", seconds(ticks));
    let decimals = text.trim_end_matches('0');
    text[..decimals.len().max(text.len() - 3)].to_owned()
}

/// Returns `M:SS` or `H:MM:SS`.
pub(crate) fn short(ticks: i64) -> String {
    let seconds = ticks.max(0) / TICKS_PER_SECOND;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Returns the SMPTE 12M timecode of a frame, without dropped numbers.
pub(crate) fn smpte(frame: i64, rate: Rate) -> String {
    let nominal = rate.nominal();
    let (seconds, frames) = (frame.max(0) / nominal, frame.max(0) % nominal);
    format!("{:02}:{:02}:{:02}:{frames:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_each_form() {
        let ticks = 3_723 * TICKS_PER_SECOND + 45_000;
        assert_eq!(clock(ticks, ','), "01:02:03,500");
        assert_eq!((short(ticks), short(61 * TICKS_PER_SECOND)), ("1:02:03".into(), "1:01".into()));
        assert_eq!([360_000, 360_009, 1].map(exact_seconds), ["4.000", "4.0001", "0.000011"]);
        let rate = "30000/1001".parse().unwrap();
        assert_eq!(smpte(30 * 61 + 7, rate), "00:01:01:07");
    }
}
