//! Sizes and ages on the command line. Pure.

use std::{str::FromStr, time::Duration};

/// Bytes, as `1G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub u64);

/// Powers of 1000.
pub(crate) const DECIMAL: [(&str, f64); 5] =
    [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)];

/// Powers of 1024.
const BINARY: [(&str, f64); 4] =
    [("Ki", 1024.0), ("Mi", 1_048_576.0), ("Gi", 1_073_741_824.0), ("Ti", 1_099_511_627_776.0)];

/// Seconds.
const TIME: [(&str, f64); 5] = [("", 1.0), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = scaled(text, &[&DECIMAL[..], &BINARY].concat());
        match bytes.filter(|bytes| (1.0..=1e18).contains(bytes)) {
            Some(bytes) => Ok(Self(bytes as u64)),
            None => Err("must be a size in bytes, as 500M, 1.5G or 64Ki".to_owned()),
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
    match scaled(text, &TIME).filter(|seconds| (0.0..=1e10).contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err("must be a time, as 600 (seconds), 90m, 12h or 7d".to_owned()),
    }
}

/// A number with one of `units` behind it, times what that stands for.
pub(crate) fn scaled(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * factor)
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
