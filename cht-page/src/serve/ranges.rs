//! The part of a file that a request asks for (RFC 9110 §14). Pure.

/// Part of a file: offset and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    All,
    Of {
        at: u64,
        length: u64,
    },
    /// No byte of it is there.
    Outside,
}

impl Part {
    /// Reads the value of `Range` for a file of `size` bytes. One part is given; several, other
    /// units and nonsense mean all of the file, as the RFC has it.
    pub(super) fn of(range: Option<&str>, size: u64) -> Self {
        let Some((first, last)) =
            range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        else {
            return Self::All;
        };
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // One that is too long lies after any file.
            is_number.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let (at, end) = match (number(first), number(last)) {
            (Some(at), None) if last.is_empty() => (at, size),
            (Some(at), Some(last)) if at <= last => (at, last.saturating_add(1).min(size)),
            (None, Some(count)) if first.is_empty() => (size - count.min(size), size),
            _ => return Self::All,
        };
        if at < end { Self::Of { at, length: end - at } } else { Self::Outside }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_is_one_part_of_the_file() {
        let of = |range| Part::of(Some(range), 100);
        for (range, at, length) in [
            ("bytes=0-9", 0, 10),
            ("bytes=90-", 90, 10),
            ("bytes=90-1000", 90, 10),
            ("bytes=-5", 95, 5),
            ("bytes=-500", 0, 100),
            ("bytes=99-99999999999999999999999", 99, 1),
        ] {
            assert_eq!(of(range), Part::Of { at, length }, "{range}");
        }
        for outside in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999999-"]
        {
            assert_eq!(of(outside), Part::Outside, "{outside}");
        }
        for all in
            ["bytes=0-1,5-6", "bytes=9-5", "lines=1-2", "bytes=", "bytes=-", "bytes=+1-2", "x"]
        {
            assert_eq!(of(all), Part::All, "{all}");
        }
        assert_eq!(Part::of(None, 100), Part::All);
        assert_eq!(Part::of(Some("bytes=0-"), 0), Part::Outside);
    }
}
