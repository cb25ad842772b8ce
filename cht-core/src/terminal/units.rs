//! Times, sizes and rates in words.

/// Returns a time of the session as `01:02:03.400`.
#[must_use]
pub fn time(seconds: f64) -> String {
    let millis = (seconds.abs() * 1e3).round() as u64;
    let sign = if seconds < 0.0 && millis > 0 { "-" } else { "" };
    let (whole, millis) = (millis / 1000, millis % 1000);
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    format!("{sign}{hours:02}:{minutes:02}:{seconds:02}.{millis:03}")
}

/// Returns a span of time, as `120 ms`, `2.5 s`, `3 min 05 s` or `26 h 10 min`.
#[must_use]
pub fn span(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        ..0.9995 => format!("{:.0} ms", seconds.max(0.0) * 1e3),
        ..59.95 => format!("{seconds:.1} s"),
        ..3599.5 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

/// Returns a size, as `900 B`, `92.1 kB` or `1.40 GB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    scaled(bytes as f64, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Returns a rate of bits, as `640 kbit/s` or `2.13 Mbit/s`.
#[must_use]
pub fn bitrate(bits: f64) -> String {
    scaled(bits, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

/// Returns a number with three digits, and the unit that it is in.
fn scaled(mut number: f64, units: &[&str]) -> String {
    let mut at = 0;
    while number >= 999.5 && at + 1 < units.len() {
        (number, at) = (number / 1e3, at + 1);
    }
    let decimals = match number {
        _ if at == 0 => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {}", units[at])
}

/// Returns a factor, as `0.4`, `9.9` or `120`.
#[must_use]
pub fn factor(factor: f64) -> String {
    if factor < 9.95 { format!("{factor:.1}") } else { format!("{factor:.0}") }
}

/// Returns a count with its noun: `1 frame`, `2 frames`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units_that_fit_them() {
        assert_eq!(
            [time(0.0), time(3723.4), time(-0.04)],
            ["00:00:00.000", "01:02:03.400", "-00:00:00.040"]
        );
        assert_eq!(time(59.9996), "00:01:00.000");
        assert_eq!(
            [span(0.12), span(0.9999), span(59.94), span(59.96)],
            ["120 ms", "1.0 s", "59.9 s", "1 min 00 s"]
        );
        assert_eq!([span(185.2), span(94_200.0)], ["3 min 05 s", "26 h 10 min"]);
        assert_eq!(
            [size(0), size(999), size(1000), size(92_140)],
            ["0 B", "999 B", "1.00 kB", "92.1 kB"]
        );
        assert_eq!([size(999_600), size(u64::MAX)], ["1.00 MB", "18.4 EB"]);
        assert_eq!([bitrate(0.0), bitrate(2.134e6)], ["0 bit/s", "2.13 Mbit/s"]);
        assert_eq!([factor(0.04), factor(9.94), factor(9.96)], ["0.0", "9.9", "10"]);
        assert_eq!([count(1, "frame"), count(0, "frame")], ["1 frame", "0 frames"]);
    }
}
