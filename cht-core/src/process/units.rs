//! Sizes and ages on the command line. Pure.
//!
//! Both need a unit: `--retain-age 7`, meant as days and read as seconds, would remove the whole
//! recording.

use std::{str::FromStr, time::Duration};

/// Bytes, such as `10GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

/// Powers of 1000.
pub const DECIMAL: [(&str, f64); 6] =
    [("", 1.0), ("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)];

/// Powers of 1024.
const BINARY: [(&str, f64); 4] =
    [("Ki", 1024.0), ("Mi", 1_048_576.0), ("Gi", 1_073_741_824.0), ("Ti", 1_099_511_627_776.0)];

/// Seconds.
const TIME: [(&str, f64); 4] = [("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `10G`, `10GB` and `10000000000B` are the same; a bare number is ambiguous.
        let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
        let number = text.strip_suffix('B').unwrap_or(text);
        let bytes = scaled(number, &[&DECIMAL[..], &BINARY].concat());
        match bytes.filter(|bytes| has_unit && (1.0..=1e18).contains(bytes)) {
            Some(bytes) => Ok(Self(bytes as u64)),
            None => Err("must be a size with its unit, as 10GiB, 500M or 64Ki".to_owned()),
        }
    }
}

/// Parses the size of a file that has to hold a picture: 64 kB or more.
pub fn size_from_64k(text: &str) -> Result<Size, String> {
    const LEAST: u64 = 64_000;
    let size: Size = text.parse()?;
    if size.0 < LEAST { Err("must be 64k or more".to_owned()) } else { Ok(size) }
}

/// Parses a time with its unit, such as `90m`, `12h` or `7d`.
pub fn age(text: &str) -> Result<Duration, String> {
    const MOST: f64 = 100_000.0 * 86_400.0;
    match scaled(text, &TIME).filter(|seconds| seconds.is_finite()) {
        Some(seconds) if seconds <= MOST => Ok(Duration::from_secs_f64(seconds)),
        Some(_) => Err("must be 100000d or less".to_owned()),
        None => Err("must be a time with its unit, as 7d, 12h, 90m or 600s".to_owned()),
    }
}

/// Parses a number followed by one of `units`, and scales it.
#[must_use]
pub fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_age_need_unit() {
        let size = |text: &str| text.parse::<Size>().map(|size| size.0).ok();
        assert_eq!(
            (size("1.5G"), size("64Ki"), size("7B")),
            (Some(1_500_000_000), Some(65_536), Some(7))
        );
        assert_eq!((size("500K"), size("500kB")), (Some(500_000), Some(500_000)));
        assert_eq!((size("10GB"), size("10GiB")), (Some(10_000_000_000), Some(10_737_418_240)));
        for wrong in ["", "0B", "7", "G", "B", "1g", "-1", "1e9", "NaN", "99999999T"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
        assert_eq!(size_from_64k("1k").unwrap_err(), "must be 64k or more");
        assert_eq!(age("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(
            (age("1.5h"), age("90s")),
            (Ok(Duration::from_secs(5400)), Ok(Duration::from_secs(90)))
        );
        for wrong in ["", "0", "7", "h", "1w", "-1", "inf"] {
            assert!(age(wrong).unwrap_err().contains("with its unit"), "{wrong}");
        }
        assert_eq!(age("100001d").unwrap_err(), "must be 100000d or less");
    }
}
