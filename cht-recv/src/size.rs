//! Sizes and ages on the command line. Pure.

use std::{str::FromStr, time::Duration};

/// Bytes, as `1G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("k", 1000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split(text);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes as f64);
        match number.parse::<f64>().ok().zip(unit) {
            Some((number, unit)) if (1.0..=1e18).contains(&(number * unit)) => {
                Ok(Self((number * unit) as u64))
            }
            _ => Err("must be a size in bytes, as 500M, 1.5G or 64Ki".to_owned()),
        }
    }
}

/// A size of a segment: at least so much that a picture or two go in.
pub(crate) fn segment_size(text: &str) -> Result<Size, String> {
    const LEAST: u64 = 64_000;
    let size: Size = text.parse()?;
    if size.0 < LEAST { Err("must be 64k or more".to_owned()) } else { Ok(size) }
}

/// A number of seconds, or with a unit, as `90m`, `12h` or `7d`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let unit = match unit {
        "" | "s" => Some(1.0),
        "m" => Some(60.0),
        "h" => Some(3600.0),
        "d" => Some(86_400.0),
        _ => None,
    };
    match number.parse::<f64>().ok().zip(unit) {
        Some((number, unit)) if (0.0..=1e10).contains(&(number * unit)) => {
            Ok(Duration::from_secs_f64(number * unit))
        }
        _ => Err("must be a time, as 600 (seconds), 90m, 12h or 7d".to_owned()),
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0).ok();
        assert_eq!(
            (size("1.5G"), size("64Ki"), size("7")),
            (Some(1_500_000_000), Some(65_536), Some(7))
        );
        for wrong in ["", "0", "G", "1g", "-1", "1e9", "1KB", "NaN", "99999999T"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
        assert_eq!(segment_size("1k").unwrap_err(), "must be 64k or more");
        assert_eq!(age("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(
            (age("1.5h"), age("90")),
            (Ok(Duration::from_secs(5400)), Ok(Duration::from_secs(90)))
        );
        for wrong in ["", "h", "1w", "-1", "inf"] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
