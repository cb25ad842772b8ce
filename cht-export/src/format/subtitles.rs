//! Subtitles: the words of the transcript.

use std::fmt::Write as _;

use cht_core::{event::Transcript, subtitles};
use cht_ts::time::ticks;

use crate::{
    recording::Recording,
    timecode::{clock, to_milliseconds},
};

/// Returns the transcript as SubRip, which has no mark for a speaker: the name stands before the
/// words.
pub(super) fn srt(recording: &Recording) -> String {
    let mut text = String::new();
    for (number, (start, end, words)) in (1..).zip(cues(recording)) {
        let speaker = words.speaker.as_deref().map(subtitles::one_line);
        let speaker = speaker.filter(|name| !name.is_empty());
        let speaker = speaker.map_or(String::new(), |name| format!("{name}: "));
        let words = without_times(&format!("{speaker}{}", subtitles::lines(&words.text)));
        let _ =
            writeln!(text, "{number}\n{} --> {}\n{words}\n", clock(start, ','), clock(end, ','));
    }
    text
}

/// Returns the transcript as WebVTT.
pub(super) fn webvtt(recording: &Recording) -> String {
    let mut text = String::from("WEBVTT\n\n");
    for (start, end, words) in cues(recording) {
        let [start, end] = [start, end].map(|ticks| to_milliseconds(ticks).max(0).unsigned_abs());
        text += &subtitles::cue(start, end, &words.text, words.speaker.as_deref());
    }
    text
}

/// Returns the words with their times from the beginning of the recording on, in ticks. They end
/// with the recording, whatever a transcriber says.
fn cues(recording: &Recording) -> impl Iterator<Item = (i64, i64, &Transcript)> {
    recording.transcript.iter().filter_map(|words| {
        let (start, end) = (ticks(words.start), ticks(words.end).min(recording.end));
        let (start, end) = (start.saturating_sub(recording.start).max(0), end - recording.start);
        (end > start && !subtitles::lines(&words.text).is_empty()).then_some((start, end, words))
    })
}

/// Returns words in which no line looks like the times of a cue, as one of SubRip would be read.
fn without_times(words: &str) -> String {
    let is_time = |text: &str| text.contains(':') && text.contains(|c: char| c.is_ascii_digit());
    let looks_like_times = |line: &str| {
        line.split_once("-->").is_some_and(|(start, end)| is_time(start) && is_time(end))
    };
    let plain = |line: &str| {
        if looks_like_times(line) { line.replace("-->", "->") } else { line.to_owned() }
    };
    words.lines().map(plain).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_not_look_like_times() {
        let words = "a --> b\n1 --> 2\n00:01,0 --> 00:02,0";
        assert_eq!(without_times(words), "a --> b\n1 --> 2\n00:01,0 -> 00:02,0");
    }
}
