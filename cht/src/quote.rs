//! Words of a POSIX shell. Pure.

/// Returns `text` as one word of a shell.
pub(crate) fn quote(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_by_a_shell() {
        for word in ["plain-1.ts", "", "it's", "a b", "$HOME `id`", "*?", "new\nline", "ä"] {
            let script = format!("printf %s {}", quote(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
        assert_eq!(quote("udp://239.1.1.1:5000"), "udp://239.1.1.1:5000");
    }
}
