//! Cues of `WebVTT`: speech as subtitles. Pure.

/// Returns a cue, with the empty line after it; nothing if it has no words. Times are milliseconds;
/// the speaker is the voice of the cue.
///
/// ```
/// use cht_core::subtitles::cue;
///
/// let cue = cue(15_100, 19_320, "1 --> 2\n\n<b>", Some("Ann"));
/// assert_eq!(cue, "00:00:15.100 --> 00:00:19.320\n<v Ann>1 --&gt; 2\n&lt;b&gt;</v>\n\n");
/// ```
#[must_use]
pub fn cue(start: u64, end: u64, text: &str, speaker: Option<&str>) -> String {
    let text = escaped(&lines(text));
    if text.is_empty() {
        return String::new();
    }
    // A cue without a duration is an error in the format.
    let end = end.max(start + 1);
    let voice = speaker.map(|name| escaped(&one_line(name))).filter(|name| !name.is_empty());
    let text = match voice {
        Some(name) => format!("<v {name}>{text}</v>"),
        None => text,
    };
    format!("{} --> {}\n{text}\n\n", clock(start), clock(end))
}

/// Returns text without the characters that mean something in a cue (W3C WebVTT §4.2.2).
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns text without blank lines, which would end its cue, and without characters of control.
#[must_use]
pub fn lines(text: &str) -> String {
    let lines = text.lines().map(|line| line.replace(char::is_control, " "));
    let lines: Vec<_> = lines.map(|line| line.trim().to_owned()).collect();
    lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Returns words on one line, a space between each two.
#[must_use]
pub fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Returns a time as `HH:MM:SS.mmm`.
fn clock(milliseconds: u64) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    format!("{:02}:{:02}:{:02}.{rest:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_cue() {
        assert_eq!(lines(" one\r\n\n\ttwo\u{7} \n\u{7}\n"), "one\ntwo");
        assert_eq!(one_line(" one\r\n\n\ttwo\u{7} "), "one two");
        assert_eq!(escaped("a --> b & <c>"), "a --&gt; b &amp; &lt;c&gt;");
    }

    #[test]
    fn cue_has_a_duration_and_words() {
        assert_eq!(cue(5, 5, "x", Some(" \n")), "00:00:00.005 --> 00:00:00.006\nx\n\n");
        assert_eq!(cue(0, 1000, " \n ", Some("Ann")), "");
    }
}
