//! Programs that work in the session at the same time, until the round is over.

use std::{
    fs,
    io::ErrorKind,
    process::Stdio,
    sync::{atomic::Ordering, mpsc},
    time::Duration,
};

use cht_core::process::clock;
use serde_json::Value;

use super::{READERS, Shared, events::Event, ids};
use crate::{pipeline, rng::Rng};

/// Longest time without a line of `follow` that is to come.
const SILENCE: Duration = Duration::from_secs(20);

/// An agent: asks for frames, and acknowledges most of them.
pub(super) fn read(shared: &Shared, reader: usize, mut rng: Rng) {
    let name = READERS[reader];
    while !shared.is_over() {
        let limit = rng.between(1, 8);
        let question = format!("next --reader {name} --limit {limit} --wait 0.1");
        let Some(answer) = shared.ask(&mut rng, &question) else { continue };
        let mut given = ids(&answer);
        shared.readings[reader].lock().unwrap().given.extend(given.iter().cloned());
        if given.is_empty() || rng.chance(15) {
            continue;
        }
        if rng.chance(60) {
            let to = format!("--to {}", answer["cursor"].as_str().unwrap());
            shared.acknowledge(&mut rng, reader, &to, &given);
        } else {
            given.retain(|_| rng.chance(60));
            if !given.is_empty() {
                shared.acknowledge(&mut rng, reader, &given.join(" "), &given);
            }
        }
    }
}

/// A person who acknowledges frames by their ids, now for one reader and now for another.
pub(super) fn acknowledge(shared: &Shared, mut rng: Rng) {
    while !shared.is_over() {
        clock::rest(Duration::from_micros(rng.below(80_000)));
        if let Some(id) = shared.any_frame(&mut rng) {
            let reader = rng.pick(&[0, 1]);
            shared.acknowledge(&mut rng, reader, &id, std::slice::from_ref(&id));
        }
    }
}

/// Marks frames by `cht-index --sent`, and by edits of `index.json`.
pub(super) fn mark(shared: &Shared, mut rng: Rng) {
    let reading = &shared.readings[0];
    let mut note = 0;
    while !shared.is_over() {
        clock::rest(Duration::from_micros(rng.below(80_000)));
        if rng.chance(50) {
            note += 1;
            edit(shared, note, &mut rng);
        } else if let Some(id) = shared.any_frame(&mut rng) {
            reading.lock().unwrap().attempted.insert(id.clone());
            if shared.run(&mut rng, "cht-index", &format!("--sent {id}")).is_some() {
                reading.lock().unwrap().certain.insert(id);
            }
        }
    }
}

/// Marks a frame in `index.json` and adds a field to it, as an editor does: by a new file under the
/// name of the old one.
fn edit(shared: &Shared, note: u64, rng: &mut Rng) {
    let path = shared.session().join("frames/index.json");
    let Some(mut frames) = elements(shared, &fs::read(&path).unwrap_or_default()) else { return };
    let known = frames.len() as u64;
    let place = rng.below(known) as usize;
    let Some(frame) = frames.get_mut(place).filter(|frame| frame["sent_to_agent"] == false) else {
        return;
    };
    let id = frame["id"].as_str().unwrap().to_owned();
    // A second value would differ from the first one, which the journal may not have yet.
    if shared.notes.lock().unwrap().contains_key(&id) {
        return;
    }
    (frame["sent_to_agent"], frame["note"]) = (true.into(), note.into());
    let new = path.with_file_name(".edited");
    fs::write(&new, serde_json::to_vec_pretty(&frames).unwrap()).unwrap();
    shared.notes.lock().unwrap().insert(id.clone(), note);
    let mut reading = shared.readings[0].lock().unwrap();
    reading.attempted.insert(id.clone());
    reading.certain.insert(id);
    drop(reading);
    fs::rename(new, path).unwrap();
}

/// Reads `index.json` again and again: each time it is whole.
pub(super) fn look(shared: &Shared, mut rng: Rng) {
    let path = shared.session().join("frames/index.json");
    let mut is_there = false;
    while !shared.is_over() {
        match fs::read(&path) {
            Ok(text) => is_there |= elements(shared, &text).is_some(),
            Err(error) if error.kind() == ErrorKind::NotFound && !is_there => {}
            Err(error) => shared.find(format!("index.json: {error}")),
        }
        clock::rest(Duration::from_micros(rng.below(4000)));
    }
}

/// Returns the elements of `index.json`; none before it is there.
fn elements(shared: &Shared, text: &[u8]) -> Option<Vec<Value>> {
    if text.is_empty() {
        return None;
    }
    let read = serde_json::from_slice(text);
    read.map_err(|error| shared.find(format!("index.json: {error}"))).ok()
}

/// Follows the session to its last event, killed and started again after the last line. Returns
/// the lines.
pub(super) fn follow(shared: &Shared, events: &[Event], mut rng: Rng) -> Vec<Value> {
    let (mut lines, mut from) = (Vec::new(), "start".to_owned());
    let mut left: std::collections::BTreeSet<&str> =
        events.iter().map(|event| event.line.as_str()).collect();
    while !left.is_empty() {
        let mut command = shared.command("cht-agent", &format!("follow --from {from}"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = mpsc::sync_channel(1);
        pipeline::pass_on(child.stdout.take().unwrap(), sender);
        for _ in 0..rng.between(0, 60) {
            let Ok(line) = clock::receive_within(&receiver, SILENCE) else {
                shared.find(format!("follow is silent after {from}; {} are to come", left.len()));
                left.clear();
                break;
            };
            // A line that the kill has torn.
            if line.last() != Some(&b'\n') {
                break;
            }
            let line: Value = serde_json::from_slice(&line).unwrap();
            line["cursor"].as_str().unwrap().clone_into(&mut from);
            left.retain(|known| !is_same(known, &line));
            lines.push(line);
            if left.is_empty() {
                break;
            }
        }
        clock::rest(Duration::from_micros(rng.below(15_000)));
        shared.kills.fetch_add(1, Ordering::SeqCst);
        let _ = child.kill();
        let _ = child.wait();
    }
    lines
}

/// Tells whether a line of `follow` is of this event.
fn is_same(event: &str, line: &Value) -> bool {
    let event: Value = serde_json::from_str(event).unwrap();
    ["type", "id", "start", "text"].iter().all(|name| event[name] == line[name])
}
