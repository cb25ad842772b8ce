//! Checks that no frame is lost, and none acknowledged that was not to be.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde_json::Value;

use super::{READERS, Reading, Shared, events::Event, ids};
/// Checks the session after a round, which has ended.
pub(super) fn all(shared: &Shared, events: &[Event], followed: &[Value]) {
    let all: BTreeSet<String> =
        events.iter().filter_map(|event| event.frame).map(super::events::id).collect();
    journal(shared, events);
    let mut seen = BTreeSet::new();
    let frames = followed.iter().filter(|line| line["type"] == "frame");
    let first = frames.filter(|line| seen.insert(line["id"].to_string()));
    let in_order: Vec<_> = first.map(|line| line["id"].as_str().unwrap()).collect();
    if !in_order.iter().eq(&all) {
        shared.find(format!("follow gave {in_order:?}"));
    }
    // Takes over the last edit.
    quiet(shared, "cht-index", "");
    let never = unread(shared, "never");
    if !never.iter().eq(&all) {
        shared.find(format!("a reader that has acknowledged nothing is given {never:?}"));
    }
    let mut acknowledged = BTreeMap::new();
    for (name, reading) in READERS.iter().zip(&shared.readings) {
        let reading = reading.lock().unwrap();
        let left: BTreeSet<_> = unread(shared, name).into_iter().collect();
        let done: BTreeSet<_> = all.difference(&left).cloned().collect();
        complain(shared, name, &reading, &done, &left, &all);
        acknowledged.insert(*name, done);
    }
    marks(shared, &acknowledged["agent"]);
    leftovers(shared);
    for name in READERS {
        drain(shared, name);
    }
}

/// Checks that the journal has each event: a text and a piece of speech once, a frame once and
/// again for each added field.
fn journal(shared: &Shared, events: &[Event]) {
    let text = fs::read_to_string(shared.session().join("frames/index.ndjson")).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let name =
        |line: &Value| ["type", "id", "start", "text"].map(|name| line[name].to_string()).join(" ");
    for line in text.lines() {
        match serde_json::from_str::<Value>(line) {
            Ok(line) if line["type"] == "sent" => {}
            Ok(line) => *counts.entry(name(&line)).or_default() += 1,
            Err(error) => shared.find(format!("index.ndjson: {error}: {line}")),
        }
    }
    let notes = shared.notes.lock().unwrap();
    for event in events {
        let line: Value = serde_json::from_str(&event.line).unwrap();
        let count = counts.remove(&name(&line)).unwrap_or(0);
        let id = line["id"].as_str().unwrap_or_default();
        let most = if event.frame.is_some() && notes.contains_key(id) { 2 } else { 1 };
        if !(1..=most).contains(&count) {
            shared.find(format!("index.ndjson has {count} lines of {}", event.line));
        }
    }
    if !counts.is_empty() {
        shared.find(format!("index.ndjson has {counts:?}, too"));
    }
}

fn complain(
    shared: &Shared,
    name: &str,
    reading: &Reading,
    done: &BTreeSet<String>,
    left: &BTreeSet<String>,
    all: &BTreeSet<String>,
) {
    let Reading { given, certain, attempted } = reading;
    let lost: Vec<_> = certain.difference(done).collect();
    if !lost.is_empty() {
        shared.find(format!("{name}: acknowledged, and given again: {lost:?}"));
    }
    let foreign: Vec<_> = done.difference(attempted).collect();
    if !foreign.is_empty() {
        shared.find(format!("{name}: nobody has acknowledged {foreign:?}"));
    }
    let missed: Vec<_> = all
        .iter()
        .filter(|id| ![given, left, attempted].iter().any(|it| it.contains(*id)))
        .collect();
    if !missed.is_empty() {
        shared.find(format!("{name}: was never given {missed:?}"));
    }
}

/// Checks the marks and the added fields in `index.json`.
fn marks(shared: &Shared, acknowledged: &BTreeSet<String>) {
    let text = fs::read(shared.session().join("frames/index.json")).unwrap();
    let frames: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let marked = frames.iter().filter(|frame| frame["sent_to_agent"] == true);
    let marked: BTreeSet<_> = marked.map(|it| it["id"].as_str().unwrap().to_owned()).collect();
    if marked != *acknowledged {
        let differ: Vec<_> = marked.symmetric_difference(acknowledged).collect();
        shared.find(format!("marked or acknowledged, and not both: {differ:?}"));
    }
    for (id, note) in &*shared.notes.lock().unwrap() {
        let frame = frames.iter().find(|frame| frame["id"] == **id);
        if frame.is_none_or(|frame| frame["note"] != *note) {
            shared.find(format!("{id}: lost the field of an edit"));
        }
    }
}

/// Checks that kills have left no other files.
fn leftovers(shared: &Shared) {
    let known = ["index.json", "index.ndjson", "agent.ndjson", "other.ndjson"];
    for folder in ["frames", "agent"] {
        for entry in fs::read_dir(shared.session().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            // The next acknowledgement replaces a temporary file of a reader.
            let is_temporary = folder == "agent" && name.ends_with(".ndjson.cht-tmp");
            if !known.contains(&name.as_str()) && !is_temporary {
                shared.find(format!("{folder}/{name} was left"));
            }
        }
    }
}

/// Acknowledges everything: no lock has outlived its holder.
fn drain(shared: &Shared, name: &str) {
    quiet(shared, "cht-agent", &format!("ack --reader {name} --to now"));
    let left = unread(shared, name);
    if !left.is_empty() {
        shared.find(format!("{name}: given after everything was acknowledged: {left:?}"));
    }
}

fn unread(shared: &Shared, name: &str) -> Vec<String> {
    let answer = quiet(shared, "cht-agent", &format!("next --reader {name} --limit 10000"));
    serde_json::from_slice(&answer).map_or_else(|_| Vec::new(), |answer| ids(&answer))
}

/// Runs a command that is not killed, and returns its stdout.
fn quiet(shared: &Shared, tool: &str, arguments: &str) -> Vec<u8> {
    let output = shared.command(tool, arguments).output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        shared.find(format!("{tool} {arguments}: {said}"));
    }
    output.stdout
}
