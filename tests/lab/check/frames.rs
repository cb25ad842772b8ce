//! Compares the frames of two indexes.

use std::{collections::BTreeMap, path::Path};

use cht_tests::b3sum_of_jpeg;
use serde_json::Value;

/// Returns the comparable fields of each frame, as text.
pub(super) fn of(session: &Path) -> Vec<String> {
    let text = std::fs::read(session.join("frames/index.json")).unwrap_or_default();
    let frames: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
    // An element that an editor has added is no frame.
    let frames = frames.iter().filter(|frame| frame["id"].is_string());
    let torn = torn_ends(session);
    let last: BTreeMap<_, _> =
        frames.clone().map(|frame| (name_in(frame, "segment"), &frame["id"])).collect();
    let may_be_torn = |frame: &Value| {
        let segment = name_in(frame, "segment");
        torn.contains(&segment) && last[&segment] == &frame["id"]
    };
    frames.map(|frame| describe(frame, may_be_torn(frame))).collect()
}

/// Returns the names of segments that may end within a picture. ffmpeg's output for half a picture
/// depends on the memory after it: the arithmetic decoder of H.264 reads past the zero padding of a
/// packet.
fn torn_ends(session: &Path) -> Vec<String> {
    let record = std::fs::read_to_string(session.join("stream/segments.ndjson"));
    let lines = record.unwrap_or_default();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let is_torn = |line: &Value| {
        let reason = line["end_reason"].as_str().unwrap_or_default();
        ["disconnected", "stopped", "recovered", "disk"].contains(&reason)
    };
    lines.filter(is_torn).map(|line| name_in(&line, "path")).collect()
}

/// Returns the file name of a path in a field.
fn name_in(value: &Value, field: &str) -> String {
    let path = value[field].as_str().unwrap_or_default();
    Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Describes a frame, without its content if it `may_be_torn`.
fn describe(frame: &Value, may_be_torn: bool) -> String {
    let path = Path::new(frame["path"].as_str().unwrap_or_default());
    let hash = match std::fs::read(path) {
        Ok(bytes) if may_be_torn && bytes.starts_with(&[0xff, 0xd8]) => "perhaps torn".to_owned(),
        Ok(bytes) if bytes.starts_with(&[0xff, 0xd8]) => b3sum_of_jpeg(path)[..12].to_owned(),
        Ok(_) => "no JPEG".to_owned(),
        Err(error) => error.to_string(),
    };
    format!(
        "{} {} {} {} {} {} {} {} {hash}",
        frame["id"].as_str().unwrap_or_default(),
        frame["timestamp"],
        frame["pts"],
        name_in(frame, "segment"),
        frame["reason"],
        frame["detector"],
        frame["scores"],
        frame["change"],
    )
}

/// Describes the differences between two lists of frames.
pub(super) fn compare(what: &str, before: &[String], after: &[String]) -> Vec<String> {
    if before == after {
        return Vec::new();
    }
    let mut text = format!("{what}: {} frames, then {}", before.len(), after.len());
    let same = before.iter().zip(after).take_while(|(before, after)| before == after).count();
    for (sign, frames) in [("-", before), ("+", after)] {
        for frame in frames.iter().skip(same).take(4) {
            text.extend(["\n      ", sign, " ", frame]);
        }
    }
    vec![text]
}

/// Returns ids that occur twice.
pub(super) fn in_order(frames: &[String]) -> Vec<String> {
    let mut ids: Vec<_> = frames.iter().filter_map(|frame| frame.split(' ').next()).collect();
    ids.sort_unstable();
    let twice = ids.windows(2).filter(|pair| pair[0] == pair[1]);
    twice.map(|pair| format!("{} is in the index twice", pair[0])).collect()
}
