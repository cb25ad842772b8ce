//! Checks the index against its journal, the pictures, the marks, and the journal of cht-scenes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use cht_tests::{
    b3sum,
    wire::{self, Body, Frame},
};
use serde_json::Value;

use crate::round::Done;

/// Returns the errors in the index of a session.
pub(super) fn check(session: &Path, done: &Done, decoder_fails: bool) -> Vec<String> {
    let mut findings = Vec::new();
    let folder = session.join("frames");
    let text = fs::read(folder.join("index.json")).unwrap_or_default();
    let elements: Vec<Value> = match serde_json::from_slice(&text) {
        Ok(elements) => elements,
        Err(error) => return vec![format!("index.json: {error}")],
    };
    let frames: Vec<_> = elements.iter().filter(|frame| frame["id"].is_string()).collect();
    let journal = match journal(&folder.join("index.ndjson")) {
        Ok(journal) => journal,
        Err(finding) => return vec![finding],
    };
    let ids = |frames: &[&Value]| -> Vec<String> {
        frames.iter().filter_map(|frame| Some(frame["id"].as_str()?.to_owned())).collect()
    };
    let in_index: BTreeSet<String> = ids(&frames).into_iter().collect();
    let in_journal: BTreeSet<String> = journal.keys().cloned().collect();
    if in_index != in_journal || in_index.len() != frames.len() {
        findings.push(format!("index.json has {in_index:?}, its journal {in_journal:?}"));
    }
    let times: Vec<_> = frames.iter().filter_map(|frame| frame["timestamp"].as_f64()).collect();
    if !times.is_sorted() {
        findings.push(format!("index.json is not in order of time: {times:?}"));
    }
    for frame in &frames {
        let id = frame["id"].as_str().unwrap_or_default();
        let path = frame["path"].as_str().unwrap_or_default();
        match fs::read(path) {
            Ok(bytes) if frame["hash"] == b3sum(&bytes) && frame["bytes"] == bytes.len() => {}
            Ok(_) => findings.push(format!("{path}: not the picture that the index names")),
            Err(error) => findings.push(format!("{path}: {error}")),
        }
        if let Some(known) = journal.get(id)
            && (frame["hash"] != *known.hash || frame["pts"] != known.pts)
        {
            findings.push(format!("{id}: index.json has another frame than its journal"));
        }
        let is_marked = frame["sent_to_agent"] == true;
        if !is_marked && done.marked.contains(id) {
            findings.push(format!("{id}: its mark is lost"));
        }
        if is_marked && !done.marked.contains(id) && !done.perhaps_marked.contains(id) {
            findings.push(format!("{id}: nobody has marked it"));
        }
    }
    for id in done.marked.iter().filter(|id| !in_index.contains(*id)) {
        findings.push(format!("{id}: was marked and is gone"));
    }
    findings.extend(scenes_journal(&folder.join("scenes.ndjson"), &in_index, decoder_fails));
    findings
}

/// Returns the frames of the index's journal, the last of each id.
fn journal(path: &Path) -> Result<BTreeMap<String, Frame>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("index.ndjson: {error}"))?;
    // A line without `\n` does not count: the next one replaces it.
    let text = &text[..text.rfind('\n').map_or(0, |end| end + 1)];
    let mut frames = BTreeMap::new();
    for line in text.lines() {
        match wire::parse_stored(line).map_err(|error| format!("index.ndjson: {error}"))?.body {
            Body::Frame(frame) => {
                frames.insert(frame.id.to_string(), frame);
            }
            Body::Sent(_) | Body::Text(_) | Body::Transcript(_) | Body::Audio(_) => {}
            _ => return Err(format!("index.ndjson: none of its events: {line}")),
        }
    }
    Ok(frames)
}

/// Checks that the journal of cht-scenes names the frames of the index. The index may have more if
/// `decoder_fails`: frames of a growing segment are not taken back if it cannot be decoded again.
fn scenes_journal(path: &Path, in_index: &BTreeSet<String>, decoder_fails: bool) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    let mut numbers = Vec::new();
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(entry) = serde_json::from_slice::<Value>(line) else {
            return vec![format!("scenes.ndjson: {:?}", String::from_utf8_lossy(line))];
        };
        // Frames from this number on were selected only for the end of input, and are made again.
        if let Some(from) = entry["taken_back"].as_u64() {
            numbers.retain(|number| *number < from);
        }
        if let Some(id) = entry["frame"][1]["id"].as_str() {
            numbers.push(id.trim_start_matches('F').parse().unwrap_or(0));
        }
    }
    if numbers.windows(2).any(|pair| pair[0] >= pair[1]) {
        return vec![format!("scenes.ndjson: numbers do not rise: {numbers:?}")];
    }
    let ids: BTreeSet<_> = numbers.iter().map(|number| format!("F{number:06}")).collect();
    if ids == *in_index || (decoder_fails && ids.is_subset(in_index)) {
        return Vec::new();
    }
    vec![format!("scenes.ndjson has {ids:?}, index.json {in_index:?}")]
}
