//! Text in subtitles: a blank line would end it. Pure.

/// Returns text without blank lines, characters of control, and the arrow of a cue's times.
pub(crate) fn plain(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<_> = lines.map(|line| line.replace(char::is_control, " ")).collect();
    lines.join("\n").replace("-->", "->")
}

/// Returns text for WebVTT, whose characters for markup are escaped.
pub(crate) fn vtt(text: &str) -> String {
    plain(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_cue() {
        assert_eq!(plain(" one\r\n\n\ttwo\u{7} "), "one\ntwo ");
        assert_eq!(vtt("a --> b\n\n<c>"), "a -&gt; b\n&lt;c&gt;");
    }
}
