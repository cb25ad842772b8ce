//! Text that cannot steer a terminal. Pure.

/// Returns `text` on one line, without characters that move the cursor, change colours or turn the
/// direction of writing. Words from a recording are data about strangers' screens.
#[must_use]
pub fn harmless(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        _ if is_format(c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.chars().map(shown).collect()
}

/// Control characters, and the marks of Unicode that are invisible or turn the direction.
fn is_format(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_recording_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\n\u{202e}c\u{9b}31m"), "a\u{fffd}[2Jb \u{fffd}c\u{fffd}31m");
        assert_eq!(harmless("größer 你好 e\u{301}"), "größer 你好 e\u{301}");
    }
}
