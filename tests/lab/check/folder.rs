//! Checks the folders after a round, and that foreign files are untouched.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    meddle::PRECIOUS,
    pipeline::{ID, Place},
    round::Done,
};

/// Returns unexpected and overwritten files.
pub(super) fn check(place: &Place, done: &Done) -> Vec<String> {
    let mut findings = Vec::new();
    let session = place.session();
    let victim = place.aside().join("victim");
    if victim.exists() && fs::read_to_string(&victim).ok().as_deref() != Some(PRECIOUS) {
        findings.push("a file of somebody was overwritten through a link".to_owned());
    }
    for name in names(&place.sessions()) {
        if name != ID {
            findings.push(format!("sessions/{name}: made by nobody"));
        }
    }
    let pictures = pictures_of_index(&session);
    let mut states = 0;
    for (folder, is_ours) in [
        ("stream", is_of_stream as fn(&str) -> bool),
        ("frames", is_of_frames),
        ("audio", |_| false),
        ("transcript", |_| false),
        ("agent", |_| false),
    ] {
        for name in names(&session.join(folder)) {
            let path = session.join(folder).join(&name);
            if done.planted.contains(&path) {
                continue;
            }
            states += usize::from(is_state(&name));
            let is_orphan = is_picture(&name) && !pictures.contains(&path);
            if !is_ours(&name) || is_orphan {
                findings.push(format!("{folder}/{name}: left over"));
            }
        }
    }
    // The newest, and the one before it in case the newest is damaged.
    if states > 2 {
        findings.push(format!("{states} states of the detectors"));
    }
    findings
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn pictures_of_index(session: &Path) -> BTreeSet<PathBuf> {
    let text = fs::read(session.join("frames/index.json")).unwrap_or_default();
    let frames: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap_or_default();
    frames.iter().filter_map(|frame| frame["path"].as_str().map(PathBuf::from)).collect()
}

fn is_number(text: &str) -> bool {
    text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn numbered(name: &str, begin: &str, end: &str) -> bool {
    name.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)).is_some_and(is_number)
}

fn is_picture(name: &str) -> bool {
    numbered(name, "F", ".jpg")
}

fn is_state(name: &str) -> bool {
    numbered(name, "scenes_", ".state")
}

fn is_of_stream(name: &str) -> bool {
    numbered(name, "segment_", ".ts")
        || numbered(name, "psi_", ".ts")
        || ["segments.ndjson", "session.m3u8"].contains(&name)
}

fn is_of_frames(name: &str) -> bool {
    is_picture(name)
        || is_state(name)
        || ["index.json", "index.ndjson", "scenes.ndjson"].contains(&name)
}
