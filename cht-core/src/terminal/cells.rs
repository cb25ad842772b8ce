//! Text in the columns of a terminal: measured and cut.

use std::ops::RangeInclusive;

/// Returns the number of columns that a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(cells).sum()
}

/// Marks that are drawn over the character before them.
const COMBINING: [RangeInclusive<char>; 5] = [
    '\u{300}'..='\u{36f}',
    '\u{1ab0}'..='\u{1aff}',
    '\u{20d0}'..='\u{20ff}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{fe20}'..='\u{fe2f}',
];

/// Characters of two columns: `East_Asian_Width` of Unicode, as far as it is in use; terminals
/// differ in the rest.
const WIDE: [RangeInclusive<char>; 13] = [
    '\u{1100}'..='\u{115f}',
    '\u{2e80}'..='\u{303e}',
    '\u{3041}'..='\u{a4cf}',
    '\u{a960}'..='\u{a97f}',
    '\u{ac00}'..='\u{d7a3}',
    '\u{f900}'..='\u{faff}',
    '\u{fe30}'..='\u{fe6f}',
    '\u{ff00}'..='\u{ff60}',
    '\u{ffe0}'..='\u{ffe6}',
    '\u{1f300}'..='\u{1f64f}',
    '\u{1f680}'..='\u{1f6ff}',
    '\u{1f900}'..='\u{1faff}',
    '\u{20000}'..='\u{3fffd}',
];

/// Returns the number of columns of a character.
fn cells(c: char) -> usize {
    let is_in = |ranges: &[RangeInclusive<char>]| ranges.iter().any(|range| range.contains(&c));
    match c {
        ..'\u{300}' => 1,
        _ if is_in(&COMBINING) => 0,
        _ if is_in(&WIDE) => 2,
        _ => 1,
    }
}

/// Returns the beginning of `text` that fits into `columns`; a text that is cut ends with `…`.
#[must_use]
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut used, mut kept) = (1, String::new());
    for c in text.chars() {
        used += cells(c);
        if used > columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.truncate(kept.trim_end().len());
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_to_columns() {
        assert_eq!((fit("abcdef", 6), fit("abcdef", 5)), ("abcdef".into(), "abcd…".into()));
        assert_eq!(
            (fit("ab cdef", 4), fit("abc", 1), fit("abc", 0)),
            ("ab…".into(), "…".into(), String::new())
        );
        // Two columns each; half of one does not fit.
        assert_eq!((fit("你好世界", 8), fit("你好世界", 6)), ("你好世界".into(), "你好…".into()));
        assert_eq!(width("e\u{301}你"), 3);
    }
}
