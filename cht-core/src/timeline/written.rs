//! Times of a session as people write them. Pure.

/// Returns the seconds that a time means: seconds (`90.5`), `M:SS` or `H:MM:SS`, of which the last
/// part may have a fraction. Minutes and seconds after a colon have two digits.
///
/// ```
/// use cht_core::timeline::written;
///
/// assert_eq!(["90.5", "1:30", "1:02:03.5"].map(written), [Some(90.5), Some(90.0), Some(3723.5)]);
/// assert_eq!(["-1", "1:5", "1:60", "1e3"].map(written), [None; 4]);
/// ```
#[must_use]
pub fn written(text: &str) -> Option<f64> {
    const MOST: f64 = 1e9;
    let parts: Vec<&str> = text.split(':').collect();
    let mut seconds = 0.0;
    for (place, part) in parts.iter().enumerate() {
        let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
        let is_last = place + 1 == parts.len();
        let has_digits = [whole, fraction].iter().all(|it| it.bytes().all(|b| b.is_ascii_digit()));
        if !has_digits || (!is_last && whole.len() != part.len()) {
            return None;
        }
        let value: f64 = part.parse().ok()?;
        if place > 0 && (value >= 60.0 || whole.len() != 2) {
            return None;
        }
        seconds = seconds * 60.0 + value;
    }
    (parts.len() <= 3 && seconds < MOST).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_seconds_or_clock() {
        for (text, seconds) in [
            ("0", 0.0),
            ("90.5", 90.5),
            (".5", 0.5),
            ("0:05", 5.0),
            ("0:39", 39.0),
            ("14:05", 845.0),
            ("90:00", 5400.0),
            ("2:00:01.5", 7201.5),
            ("0:01:30.5", 90.5),
        ] {
            assert_eq!(written(text), Some(seconds), "{text}");
        }
        for wrong in [
            "",
            ".",
            "-1",
            "1:5",
            "1:005",
            "1:60",
            "1:60:00",
            "1:2:3:4",
            "1:00:00:00",
            "1.5:30",
            "x",
            "1e12",
            "9999999999",
            "inf",
            "nan",
            "+1",
            "1:+1",
            "1:-2",
            ":30",
            "1:",
            "1:.50",
            " 1",
        ] {
            assert_eq!(written(wrong), None, "{wrong}");
        }
    }
}
