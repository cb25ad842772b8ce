//! Subtitles: the words of the transcript.

use std::fmt::Write as _;

use cht_ts::time::ticks;

use crate::{recording::Recording, subtitle_text, timecode::clock};

/// Returns the transcript as SubRip.
pub(super) fn srt(recording: &Recording) -> String {
    let mut text = String::new();
    for (number, (start, end, words)) in (1..).zip(cues(recording)) {
        let words = subtitle_text::plain(words);
        let _ =
            writeln!(text, "{number}\n{} --> {}\n{words}\n", clock(start, ','), clock(end, ','));
    }
    text
}

/// Returns the transcript as WebVTT.
pub(super) fn webvtt(recording: &Recording) -> String {
    let mut text = String::from("WEBVTT\n");
    for (start, end, words) in cues(recording) {
        let words = subtitle_text::vtt(words);
        let _ = writeln!(text, "\n{} --> {}\n{words}", clock(start, '.'), clock(end, '.'));
    }
    text
}

/// Returns the words with their times from the beginning of the recording on, in ticks. They end
/// with the recording, whatever a transcriber says.
fn cues(recording: &Recording) -> impl Iterator<Item = (i64, i64, &str)> {
    recording.transcript.iter().filter_map(|words| {
        let (start, end) = (ticks(words.start), ticks(words.end).min(recording.end));
        let (start, end) = (start.saturating_sub(recording.start).max(0), end - recording.start);
        (end > start && !words.text.trim().is_empty()).then_some((start, end, &*words.text))
    })
}
