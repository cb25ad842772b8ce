//! Letters as searches compare them: in any case, with or without accents. Pure.
//!
//! The page folds its texts by the same rules (`cht-page/web/search.js`); a test compares the two.

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization as _;

/// Marks on letters of any script (`Script=Inherited`). Marks of one script are letters
/// of their own.
const MARKS: [RangeInclusive<char>; 30] = [
    '\u{300}'..='\u{36f}',
    '\u{485}'..='\u{486}',
    '\u{64b}'..='\u{655}',
    '\u{670}'..='\u{670}',
    '\u{951}'..='\u{954}',
    '\u{1ab0}'..='\u{1add}',
    '\u{1ae0}'..='\u{1aeb}',
    '\u{1cd0}'..='\u{1cd2}',
    '\u{1cd4}'..='\u{1ce0}',
    '\u{1ce2}'..='\u{1ce8}',
    '\u{1ced}'..='\u{1ced}',
    '\u{1cf4}'..='\u{1cf4}',
    '\u{1cf8}'..='\u{1cf9}',
    '\u{1dc0}'..='\u{1dff}',
    '\u{200c}'..='\u{200d}',
    '\u{20d0}'..='\u{20f0}',
    '\u{302a}'..='\u{302d}',
    '\u{3099}'..='\u{309a}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{fe20}'..='\u{fe2d}',
    '\u{101fd}'..='\u{101fd}',
    '\u{102e0}'..='\u{102e0}',
    '\u{1133b}'..='\u{1133b}',
    '\u{1cf00}'..='\u{1cf2d}',
    '\u{1cf30}'..='\u{1cf46}',
    '\u{1d167}'..='\u{1d169}',
    '\u{1d17b}'..='\u{1d182}',
    '\u{1d185}'..='\u{1d18b}',
    '\u{1d1aa}'..='\u{1d1ad}',
    '\u{e0100}'..='\u{e01ef}',
];

/// Appends a letter to `folded` without case, accents and forms: `É` and `e` are `e`, `ß` is `ss`.
///
/// ```
/// let mut folded = String::new();
/// "Müller, Straße".chars().for_each(|letter| cht_core::fold::push(&mut folded, letter));
/// assert_eq!(folded, "muller, strasse");
/// ```
pub fn push(folded: &mut String, letter: char) {
    if letter.is_ascii() {
        folded.push(letter.to_ascii_lowercase());
        return;
    }
    for letter in letter.to_lowercase().nfkd().filter(|letter| !is_mark(*letter)) {
        match plain(letter) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(letter),
        }
    }
}

fn is_mark(letter: char) -> bool {
    MARKS.iter().any(|range| range.contains(&letter))
}

/// Returns a letter that no decomposition takes apart as others write it.
fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' => "d",
        'ł' => "l",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}
