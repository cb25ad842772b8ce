//! The frames that an index names, and whether two indexes hold the same.

use std::path::Path;

use cht_tests::b3sum_of_jpeg;
use serde_json::Value;

/// What has to be the same of a frame, as text.
pub(super) fn of(session: &Path) -> Vec<String> {
    let text = std::fs::read(session.join("frames/index.json")).unwrap_or_default();
    let frames: Vec<Value> = serde_json::from_slice(&text).unwrap_or_default();
    // An element that an editor has added is no frame.
    frames.iter().filter(|frame| frame["id"].is_string()).map(describe).collect()
}

fn describe(frame: &Value) -> String {
    let name = |field: &str| {
        let path = frame[field].as_str().unwrap_or_default();
        Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    let path = Path::new(frame["path"].as_str().unwrap_or_default());
    let hash = match std::fs::read(path) {
        Ok(bytes) if bytes.starts_with(&[0xff, 0xd8]) => b3sum_of_jpeg(path)[..12].to_owned(),
        Ok(_) => "no JPEG".to_owned(),
        Err(error) => error.to_string(),
    };
    format!(
        "{} {} {} {} {} {} {} {} {hash}",
        frame["id"].as_str().unwrap_or_default(),
        frame["timestamp"],
        frame["pts"],
        name("segment"),
        frame["reason"],
        frame["detector"],
        frame["scores"],
        frame["change"],
    )
}

/// What differs between two lists of frames, in short.
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

/// No id twice.
pub(super) fn in_order(frames: &[String]) -> Vec<String> {
    let mut ids: Vec<_> = frames.iter().filter_map(|frame| frame.split(' ').next()).collect();
    ids.sort_unstable();
    let twice = ids.windows(2).filter(|pair| pair[0] == pair[1]);
    twice.map(|pair| format!("{} is in the index twice", pair[0])).collect()
}
