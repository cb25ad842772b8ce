//! Chapters: one a scene, from the beginning of the recording on.

use std::fmt::Write as _;

use cht_core::subtitles;
use cht_ts::time::TICKS_PER_SECOND;

use super::{title::title, xml::escaped};
use crate::{
    recording::Recording,
    scene::Scene,
    timecode::{clock, short},
};

/// Shortest chapter of a YouTube video, in ticks.
const SHORTEST: i64 = 10 * TICKS_PER_SECOND;

/// Returns chapters in ffmpeg's own format, with exact times.
pub(super) fn ffmetadata(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let mut text = String::from(";FFMETADATA1\n");
    for scene in scenes {
        let _ = writeln!(
            text,
            "[CHAPTER]\nTIMEBASE=1/{TICKS_PER_SECOND}\nSTART={}\nEND={}\ntitle={}",
            scene.start - recording.start,
            scene.end - recording.start,
            ffmpeg_escaped(&title(recording, scene)),
        );
    }
    text
}

/// Returns chapters as WebVTT (W3C WebVTT §1.4).
pub(super) fn webvtt(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let mut text = String::from("WEBVTT\n");
    for scene in scenes {
        let (start, end) = (scene.start - recording.start, scene.end - recording.start);
        let _ = writeln!(
            text,
            "\n{}\n{} --> {}\n{}",
            scene.number,
            clock(start, '.'),
            clock(end, '.'),
            subtitles::escaped(&title(recording, scene)),
        );
    }
    text
}

/// Returns chapters in the XML of mkvmerge.
pub(super) fn matroska(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE Chapters SYSTEM \"matroskachapters.dtd\">\n<Chapters>\n  <EditionEntry>\n",
    );
    for scene in scenes {
        let (start, end) = (scene.start - recording.start, scene.end - recording.start);
        let _ = writeln!(
            text,
            "    <ChapterAtom>\n      <ChapterTimeStart>{}</ChapterTimeStart>\n      \
             <ChapterTimeEnd>{}</ChapterTimeEnd>\n      <ChapterDisplay>\n        \
             <ChapterString>{}</ChapterString>\n        \
             <ChapterLanguage>und</ChapterLanguage>\n      </ChapterDisplay>\n    </ChapterAtom>",
            nanoseconds(start),
            nanoseconds(end),
            escaped(&title(recording, scene)),
        );
    }
    text.push_str("  </EditionEntry>\n</Chapters>\n");
    text
}

/// Returns lines for the description of a YouTube video: the first at 0:00, each at least ten
/// seconds long. Shorter scenes belong to the chapter before.
pub(super) fn youtube(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let (mut text, mut last) = (String::new(), None);
    for scene in scenes {
        let start = if last.is_none() { 0 } else { scene.start - recording.start };
        let is_long = recording.end - recording.start - start >= SHORTEST || last.is_none();
        if last.is_none_or(|last| start - last >= SHORTEST) && is_long {
            let _ = writeln!(text, "{} {}", short(start), title(recording, scene));
            last = Some(start);
        }
    }
    text
}

fn nanoseconds(ticks: i64) -> String {
    let nanoseconds = i128::from(ticks.max(0)) * 1_000_000_000 / i128::from(TICKS_PER_SECOND);
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    format!("{:02}:{:02}:{:02}.{rest:09}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Returns a value as ffmpeg's `libavformat/ffmetaenc.c` writes it.
fn ffmpeg_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '=' | ';' | '#' | '\\' | '\n') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}
