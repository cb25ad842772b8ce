//! Scenes as tables.

use std::fmt::Write as _;

use cht_core::event::Frame;
use cht_ts::time::seconds;
use serde::Serialize;

use crate::{
    recording::Recording,
    scene::Scene,
    timecode::{clock, to_milliseconds},
};

/// Returns the table that PySceneDetect's `list-scenes` writes and `load-scenes` reads: frames
/// count from 1, and the end frame is the last of the scene.
pub(super) fn csv(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let mut text = String::from("Timecode List:");
    for scene in scenes.iter().skip(1) {
        let _ = write!(text, ",{}", clock(scene.start - recording.start, '.'));
    }
    text.push_str(
        "\nScene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode,\
         End Time (seconds),Length (frames),Length (timecode),Length (seconds)\n",
    );
    for scene in scenes {
        let (start, end) = (scene.start - recording.start, scene.end - recording.start);
        let (first, after) =
            (recording.frame_at(scene.pictures.start), recording.frame_at(scene.pictures.end));
        let in_seconds = |ticks| to_milliseconds(ticks) as f64 / 1000.0;
        let _ = writeln!(
            text,
            "{},{},{},{:.3},{},{},{:.3},{},{},{:.3}",
            scene.number,
            first + 1,
            clock(start, '.'),
            in_seconds(start),
            after,
            clock(end, '.'),
            in_seconds(end),
            after - first,
            clock(end - start, '.'),
            in_seconds(end - start),
        );
    }
    text
}

/// A scene as NDJSON. Times are seconds on the recording's timeline, frames count from 0.
#[derive(Serialize)]
struct Line<'a> {
    number: usize,
    start: f64,
    end: f64,
    start_frame: i64,
    /// The last of the scene.
    end_frame: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(flatten)]
    frame: &'a Frame,
}

/// Returns an object a line: the scene, and the frame that shows it.
pub(super) fn ndjson(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let mut text = String::new();
    for scene in scenes {
        let line = Line {
            number: scene.number,
            start: seconds(scene.start),
            end: seconds(scene.end),
            start_frame: recording.frame_at(scene.pictures.start),
            end_frame: recording.frame_at(scene.pictures.end) - 1,
            text: recording.texts.get(&scene.frame.id).map(String::as_str),
            frame: scene.frame,
        };
        // Strings and finite numbers only.
        text += &serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
    }
    text
}
