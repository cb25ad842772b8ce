//! Natural order of names: `segment_2` before `segment_10`; and which names count up together.

use std::{cmp::Ordering, path::Path};

/// Compares two paths by their bytes, runs of digits by their value.
#[must_use]
pub fn compare(a: &Path, b: &Path) -> Ordering {
    compare_bytes(a.as_os_str().as_encoded_bytes(), b.as_os_str().as_encoded_bytes())
        .then_with(|| a.cmp(b))
}

fn compare_bytes(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        match (a.first(), b.first()) {
            (None, _) | (_, None) => return a.len().cmp(&b.len()),
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (number_a, rest_a) = split_number(a);
                let (number_b, rest_b) = split_number(b);
                // Without leading zeros the longer number is the larger one, of any length.
                let order =
                    number_a.len().cmp(&number_b.len()).then_with(|| number_a.cmp(number_b));
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) if x != y => return x.cmp(y),
            _ => (a, b) = (&a[1..], &b[1..]),
        }
    }
}

/// Returns the digits at the start of `bytes`, without leading zeros, and the rest.
fn split_number(bytes: &[u8]) -> (&[u8], &[u8]) {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let zeros = bytes[..digits].iter().take_while(|b| **b == b'0').count();
    (&bytes[zeros..digits], &bytes[digits..])
}

/// Most digits of a number that distinguishes cameras; dates and counters have more, or come last.
const LONGEST_LABEL: usize = 3;

/// Returns the name of the series of a file: its name without the digits that count or give the
/// time. Two recorders that write into one folder have a series each: `front-1.ts` and `back-1.ts`,
/// `cam1_07-00.ts` and `cam2_07-00.ts`.
///
/// A short number at the end of a word (`cam1`) is part of the name if other numbers come after it.
/// All names without a number are one series.
#[must_use]
pub fn series(path: &Path) -> Vec<u8> {
    let name = path.file_stem().unwrap_or_default().as_encoded_bytes();
    let mut series = Vec::new();
    let mut at = 0;
    while at < name.len() {
        let digits = name[at..].iter().take_while(|b| b.is_ascii_digit()).count();
        let rest = &name[at + digits..];
        if digits == 0 {
            series.push(name[at]);
            at += 1;
        } else {
            let is_label = digits <= LONGEST_LABEL
                && ends_with_word(&name[..at])
                && rest.first().is_some_and(|next| !next.is_ascii_alphanumeric())
                && rest.iter().any(u8::is_ascii_digit);
            series.extend_from_slice(if is_label { &name[at..at + digits] } else { b"0" });
            at += digits;
        }
    }
    let has_number = name.iter().any(u8::is_ascii_digit);
    if has_number { series } else { Vec::new() }
}

/// Tells whether a name ends with letters that a separator, or nothing, comes before: `07T` ends
/// with none.
fn ends_with_word(name: &[u8]) -> bool {
    let before = name.iter().rposition(|b| !b.is_ascii_alphabetic());
    let letters = name.len() - before.map_or(0, |at| at + 1);
    letters > 0 && before.is_none_or(|at| !name[at].is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_recorder_are_one_series_and_those_of_two_are_two() {
        let of = |name: &str| series(Path::new(name));
        for (one, same, other) in [
            ("front-1.ts", "front-20.ts", "back-1.ts"),
            (
                "cam1_2026-11-28_07-00-10.ts",
                "cam1_2026-11-29_18-59-10.ts",
                "cam2_2026-11-28_07-00-10.ts",
            ),
            (
                "cam-a--2026-11-28_07-00-10-123.ts",
                "cam-a--2026-11-28_08-01-00-9.ts",
                "cam-b--2026-11-28_07-00-10-1.ts",
            ),
            ("RecM01_20261128_070010.ts", "RecM01_20261129_000001.ts", "RecM02_20261128_070010.ts"),
            ("2026-11-28_07-00_front.ts", "2026-11-28_08-30_front.ts", "2026-11-28_07-00_back.ts"),
            ("seg0.ts", "seg12.ts", "part0.ts"),
            ("/a/s_1.ts", "/a/s_2.ts", "/a/t_1.ts"),
        ] {
            assert_eq!(of(one), of(same), "{one} {same}");
            assert_ne!(of(one), of(other), "{one} {other}");
        }
        for (one, same) in [
            ("2026-11-28 07-00-10.ts", "2027-01-01 00-00-00.ts"),
            ("2026-11-28T07-00-10.ts", "2026-11-28T08-00-10.ts"),
            ("07h00m10s.ts", "08h01m00s.ts"),
            ("d20261128_t070010.ts", "d20261129_t000000.ts"),
            ("0.ts", "12.ts"),
            ("intro.ts", "main.ts"),
        ] {
            assert_eq!(of(one), of(same), "{one} {same}");
        }
    }

    #[test]
    fn numbers_count_by_value() {
        let mut names =
            ["s_10.ts", "s_2.ts", "s_02.ts", "s.ts", "s_1/9.ts", "s_1/10.ts"].map(Path::new);
        names.sort_by(|a, b| compare(a, b));
        let sorted = ["s.ts", "s_1/9.ts", "s_1/10.ts", "s_02.ts", "s_2.ts", "s_10.ts"];
        assert_eq!(names, sorted.map(Path::new));
    }
}
