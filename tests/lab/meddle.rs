//! Moves, cuts, links, marks and damages files of a session, as other programs might.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use cht_core::session;
use serde_json::Value;

use crate::{pipeline::Place, plan::Written, round::Done};

/// Returns an early finished segment that is still unchanged.
fn untouched(place: &Place, done: &Done) -> Option<(u64, PathBuf)> {
    let stream = place.session().join("stream");
    let mut found: Vec<_> = fs::read_dir(stream)
        .ok()?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ts"))
        .filter_map(|path| Some((session::sequence(&path)?, path)))
        .filter(|(seq, _)| !done.meddled.contains_key(seq))
        .collect();
    found.sort();
    // Stages may be busy with the newest one.
    found.pop()
}

fn aside(place: &Place, seq: u64) -> PathBuf {
    place.aside().join(format!("segment_{seq:06}.ts"))
}

fn at_home(place: &Place, seq: u64) -> PathBuf {
    place.session().join("stream").join(format!("segment_{seq:06}.ts"))
}

/// Moves a finished segment away, and returns its number. It must have a line in the record:
/// otherwise the next recorder would have to adopt it, and none may start after it is back.
pub(crate) fn vanish(place: &Place, done: &mut Done) -> Option<u64> {
    let (seq, path) = untouched(place, done)?;
    let record = fs::read_to_string(place.session().join("stream/segments.ndjson")).ok()?;
    if !record.contains(&format!("\"seq\":{seq},")) {
        return None;
    }
    done.meddled.insert(seq, fs::read(&path).ok()?);
    fs::rename(path, aside(place, seq)).ok()?;
    Some(seq)
}

/// Moves it back.
pub(crate) fn come_back(place: &Place, seq: u64) {
    fs::rename(aside(place, seq), at_home(place, seq)).unwrap();
}

/// Cuts a finished segment in the middle of a packet.
pub(crate) fn truncate(place: &Place, done: &mut Done) -> bool {
    let Some((seq, path)) = untouched(place, done) else { return false };
    let Ok(bytes) = fs::read(&path) else { return false };
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(bytes.len() as u64 / 3).unwrap();
    done.meddled.insert(seq, bytes);
    done.truncated.insert(seq);
    true
}

/// Replaces a finished segment by a link to it.
pub(crate) fn link(place: &Place, done: &mut Done) -> bool {
    let Some((seq, path)) = untouched(place, done) else { return false };
    let Ok(bytes) = fs::read(&path) else { return false };
    let copy = aside(place, seq);
    fs::write(&copy, &bytes).unwrap();
    let link = place.aside().join("link");
    symlink(&copy, &link).unwrap();
    fs::rename(link, path).unwrap();
    done.meddled.insert(seq, bytes);
    true
}

fn index_of(place: &Place) -> PathBuf {
    place.session().join("frames/index.json")
}

fn read_index(place: &Place) -> Option<Vec<Value>> {
    serde_json::from_slice(&fs::read(index_of(place)).ok()?).ok()
}

/// Returns a frame of the index that is not marked.
pub(crate) fn unmarked(place: &Place, done: &Done) -> Option<String> {
    let ids = read_index(place)?;
    let ids = ids.iter().filter_map(|frame| frame["id"].as_str());
    let mut ids = ids.filter(|id| !done.marked.contains(*id) && !done.perhaps_marked.contains(*id));
    ids.next_back().map(str::to_owned)
}

/// Marks a frame as an editor does: a new file under the name of the old one.
pub(crate) fn edit(place: &Place, done: &mut Done) -> bool {
    let Some(id) = unmarked(place, done) else { return false };
    let Some(mut frames) = read_index(place) else { return false };
    let Some(frame) = frames.iter_mut().find(|frame| frame["id"] == *id) else { return false };
    frame["sent_to_agent"] = true.into();
    // A foreign element must not lose the others.
    frames.push(serde_json::json!({"id": null, "note": "by hand"}));
    let text = serde_json::to_string_pretty(&frames).unwrap();
    let new = place.session().join("frames/.edited");
    fs::write(&new, text).unwrap();
    fs::rename(new, index_of(place)).unwrap();
    done.marked.insert(id);
    true
}

/// Contents of foreign files.
pub(crate) const PRECIOUS: &str = "precious\n";

/// Puts links to a foreign file under names of temporary files.
pub(crate) fn plant(place: &Place, done: &mut Done) {
    let victim = place.aside().join("victim");
    fs::write(&victim, PRECIOUS).unwrap();
    let mut names = vec![
        "frames/index.json.tmp".to_owned(),
        "frames/scenes.ndjson.tmp".to_owned(),
        "stream/session.m3u8.tmp".to_owned(),
        "stream/open.json.tmp".to_owned(),
        "frames/.index.json.cht-tmp".to_owned(),
        "stream/.session.m3u8.cht-tmp".to_owned(),
        "stream/.open.json.cht-tmp".to_owned(),
    ];
    for n in 1..40 {
        names.push(format!("frames/F{n:06}.jpg.tmp"));
        names.push(format!("frames/.F{n:06}.jpg.cht-tmp"));
        names.push(format!("frames/scenes_{n:06}.state.tmp"));
        names.push(format!("stream/psi_{n:06}.ts.tmp"));
    }
    for name in names {
        let path = place.session().join(name);
        if symlink(&victim, &path).is_ok() {
            done.planted.insert(path);
        }
    }
}

/// Leaves a torn line in a journal, or damages a state of the detectors. No stage may run.
pub(crate) fn tear(place: &Place, written: Written) {
    let session = place.session();
    let path = match written {
        Written::Record => session.join("stream/segments.ndjson"),
        Written::Scenes => session.join("frames/scenes.ndjson"),
        Written::Index => session.join("frames/index.ndjson"),
        Written::State => {
            damage_states(&session.join("frames"));
            return;
        }
    };
    let Ok(text) = fs::read(&path) else { return };
    let begin = text.trim_ascii_end().iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let line = &text[begin..];
    let mut torn = line[..line.len() / 2].to_vec();
    // Some file systems leave zeros after an interrupted write.
    torn.extend_from_slice(&[0; 3]);
    fs::File::options().append(true).open(&path).unwrap().write_all(&torn).unwrap();
}

/// Cuts the newest state in half, if there is one before it.
fn damage_states(frames: &Path) {
    let entries = fs::read_dir(frames).into_iter().flatten().flatten();
    let states = entries.map(|entry| entry.path());
    let newest =
        states.filter(|path| path.extension().is_some_and(|extension| extension == "state")).max();
    if let Some(path) = newest {
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    }
}

/// Kills the ffmpeg that process `id` has started; `false` if there is none.
pub(crate) fn kill_decoder(id: u32) -> bool {
    for task in fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        // The process also runs ffmpeg for its version.
        let decodes = |id: &&str| {
            let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("-filter_complex")
        };
        let child = children.split_whitespace().find(decodes).and_then(|id| id.parse().ok());
        if let Some(child) = child.and_then(rustix::process::Pid::from_raw) {
            return rustix::process::kill_process(child, rustix::process::Signal::KILL).is_ok();
        }
    }
    false
}
