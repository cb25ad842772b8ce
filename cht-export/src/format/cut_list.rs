//! Scenes for editing programs and encoders. Each edit begins at the picture that is nearest on the
//! recording's frame rate.

use std::{fmt::Write as _, path::Path};

use cht_ts::AudioFormat;
use serde_json::{Value, json};

use super::{
    title::title,
    xml::{escaped, file_url},
};
use crate::{rate::Rate, recording::Recording, scene::Scene, timecode::smpte};

/// Returns an edit decision list (CMX 3600): one event a scene, ends not included.
pub(super) fn edl(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let mut text = format!("TITLE: {}\nFCM: NON-DROP FRAME\n\n", one_line(&recording.name));
    let begin = scenes.first().map_or(0, |scene| recording.frame_at(scene.pictures.start));
    for scene in scenes {
        let (first, after) =
            (recording.frame_at(scene.pictures.start), recording.frame_at(scene.pictures.end));
        let code = |frame| smpte(frame, recording.rate);
        let _ = writeln!(
            text,
            "{:03}  AX       V     C        {} {} {} {}\n* FROM CLIP NAME: {}\n* {}",
            scene.number,
            code(first),
            code(after),
            code(first - begin),
            code(after - begin),
            one_line(&name(recording.media())),
            one_line(&title(recording, scene)),
        );
    }
    text
}

/// Returns a list for `x264 --qpfile`: the first picture of each scene is a keyframe.
pub(super) fn qp(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let mut text = String::new();
    for scene in scenes {
        let _ = writeln!(text, "{} I -1", recording.frame_at(scene.pictures.start));
    }
    text
}

/// Returns a Final Cut Pro project (FCPXML 1.9).
pub(super) fn fcpxml(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let rate = recording.rate;
    let time = |frames: i64| fraction(frames, rate);
    let begin = scenes.first().map_or(0, |scene| recording.frame_at(scene.pictures.start));
    let after = scenes.last().map_or(begin, |scene| recording.frame_at(scene.pictures.end));
    let size = recording.frames.first().map_or((0, 0), |frame| (frame.width, frame.height));
    let (width, height) = size;
    let name = escaped(&recording.name);
    let mut text = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE fcpxml>
<fcpxml version="1.9">
  <resources>
    <format id="r1" frameDuration="{}" width="{width}" height="{height}"/>
    <asset id="r2" name="{name}" start="0s" duration="{}" format="r1" {}>
      <media-rep kind="original-media" src="{}"/>
    </asset>
  </resources>
  <library>
    <event name="{name}">
      <project name="{name}">
        <sequence format="r1" duration="{}" tcStart="0s" tcFormat="NDF">
          <spine>
"#,
        time(1),
        time(recording.frame_at(recording.end)),
        contents(recording),
        escaped(&file_url(recording.media())),
        time(after - begin),
    );
    for scene in scenes {
        let (first, after) =
            (recording.frame_at(scene.pictures.start), recording.frame_at(scene.pictures.end));
        let _ = writeln!(
            text,
            r#"            <asset-clip name="{}" ref="r2" offset="{}" start="{}" duration="{}"/>"#,
            escaped(&title(recording, scene)),
            time(first - begin),
            time(first),
            time(after - first),
        );
    }
    text.push_str(
        "          </spine>\n        </sequence>\n      </project>\n    </event>\n  </library>\n\
         </fcpxml>\n",
    );
    text
}

/// Lowest rate that an editing program is told of, in hertz: of HE-AAC, the stream shows half.
const LEAST_RATE: u32 = 32_000;

/// Returns the attributes of an asset that say what its file has. Without those of the sound, Final
/// Cut Pro takes the video alone.
fn contents(recording: &Recording) -> String {
    let mut text = r#"hasVideo="1" videoSources="1""#.to_owned();
    if let Some(first) = recording.sounds.first() {
        let _ = write!(text, r#" hasAudio="1" audioSources="{}""#, recording.sounds.len());
        if let Some(AudioFormat { sample_rate, channels }) = first {
            let _ = write!(text, r#" audioChannels="{channels}""#);
            if *sample_rate >= LEAST_RATE {
                let _ = write!(text, r#" audioRate="{sample_rate}""#);
            }
        }
    }
    text
}

/// Returns an OpenTimelineIO timeline with one video track.
pub(super) fn otio(recording: &Recording, scenes: &[Scene<'_>]) -> String {
    let rate = recording.rate.per_second();
    let time =
        |value: i64| json!({ "OTIO_SCHEMA": "RationalTime.1", "value": value, "rate": rate });
    let range = |start: i64, frames: i64| json!({ "OTIO_SCHEMA": "TimeRange.1", "start_time": time(start), "duration": time(frames) });
    let media = json!({
        "OTIO_SCHEMA": "ExternalReference.1",
        "available_range": range(0, recording.frame_at(recording.end)),
        "target_url": file_url(recording.media()),
    });
    let clip = |scene: &Scene<'_>| {
        let (first, after) =
            (recording.frame_at(scene.pictures.start), recording.frame_at(scene.pictures.end));
        json!({
            "OTIO_SCHEMA": "Clip.1",
            "name": title(recording, scene),
            "source_range": range(first, after - first),
            "media_reference": media,
            "metadata": { "cht": { "id": scene.frame.id, "reason": scene.frame.reason } },
        })
    };
    let clips: Vec<Value> = scenes.iter().map(clip).collect();
    let track = json!({
        "OTIO_SCHEMA": "Track.1", "name": "V1", "kind": "Video", "children": clips,
    });
    let timeline = json!({
        "OTIO_SCHEMA": "Timeline.1",
        "name": recording.name,
        "global_start_time": null,
        "tracks": { "OTIO_SCHEMA": "Stack.1", "name": "tracks", "children": [track] },
    });
    format!("{timeline:#}\n")
}

/// Returns the duration of frames as a fraction of seconds.
fn fraction(frames: i64, rate: Rate) -> String {
    match frames {
        0 => "0s".to_owned(),
        frames => format!("{}/{}s", frames * i64::from(rate.denominator), rate.numerator),
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
