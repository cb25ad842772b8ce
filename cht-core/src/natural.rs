//! Natural order of names: `segment_2` before `segment_10`.

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

/// The digits that `bytes` begins with, without leading zeros, and what follows them.
fn split_number(bytes: &[u8]) -> (&[u8], &[u8]) {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let zeros = bytes[..digits].iter().take_while(|b| **b == b'0').count();
    (&bytes[zeros..digits], &bytes[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_by_value() {
        let mut names =
            ["s_10.ts", "s_2.ts", "s_02.ts", "s.ts", "s_1/9.ts", "s_1/10.ts"].map(Path::new);
        names.sort_by(|a, b| compare(a, b));
        let sorted = ["s.ts", "s_1/9.ts", "s_1/10.ts", "s_02.ts", "s_2.ts", "s_10.ts"];
        assert_eq!(names, sorted.map(Path::new));
    }
}
