//! cht-index: what others read from disk.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, ChildStdin, Stdio},
    sync::mpsc,
};

use cht_tests::{Stage, read_json, signal, tool};
use serde_json::{Value, json};

fn frame(n: u32) -> Value {
    json!({
        "v": 1, "type": "frame", "session": null, "id": format!("F{n:06}"),
        "timestamp": f64::from(n), "pts": n, "path": format!("/frames/F{n:06}.jpg"),
        "segment": "/a.ts", "reason": "scene", "scores": {"scene": 0.5},
        "width": 640, "height": 360, "bytes": 1000, "hash": "0".repeat(64),
    })
}

/// An event as a stage writes it: `v` and `type` first.
fn line(event: &Value) -> String {
    let mut fields = event.as_object().unwrap().clone();
    let kind = fields.remove("type").unwrap();
    fields.remove("v");
    format!("{{\"v\":1,\"type\":{kind},{}", &Value::from(fields).to_string()[1..])
}

fn start(index: &Path) -> (Stage, ChildStdin) {
    let mut command = tool("cht-index");
    let mut stage = Stage::start(command.arg("--out").arg(index).stdin(Stdio::piped()));
    let stdin = stage.child.stdin.take().unwrap();
    (stage, stdin)
}

fn run(index: &Path, events: &[Value]) {
    let (mut stage, mut stdin) = start(index);
    for event in events {
        writeln!(stdin, "{}", line(event)).unwrap();
    }
    drop(stdin);
    assert!(stage.finish().success());
}

fn sent(index: &Path) -> Vec<String> {
    let entries = read_json(index);
    let sent = entries.iter().filter(|entry| entry["sent_to_agent"] == true);
    sent.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_four_fields_and_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("sub/index.json");
    run(&index, &[frame(1), frame(2), frame(1)]);
    let entries = read_json(&index);
    assert_eq!(entries.len(), 2);
    let entry = &entries[0];
    assert_eq!(entry["id"], "F000001");
    assert_eq!(entry["timestamp"], 1.0);
    assert_eq!(entry["path"], "/frames/F000001.jpg");
    assert_eq!(entry["sent_to_agent"], false);
    for field in ["pts", "segment", "reason", "scores", "width", "height", "bytes", "hash"] {
        assert_eq!(entry[field], frame(1)[field], "{field}");
    }
}

#[test]
fn an_empty_session_has_an_index_too() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[]);
    assert_eq!(read_json(&index), Vec::<Value>::new());
}

#[test]
fn sent_is_set_in_three_ways_and_never_lost() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    let mut send = |event: Value| {
        writeln!(stdin, "{}", line(&event)).unwrap();
        stage.next_event().unwrap();
    };
    for n in 1..=4 {
        send(frame(n));
    }
    // Beside the running stage, whose index may be a moment behind: by the command, once it is there.
    let mark =
        || tool("cht-index").args(["--sent", "F000001", "--out"]).arg(&index).output().unwrap();
    while !mark().status.success() {}
    // By an event in the pipe.
    send(json!({"v": 1, "type": "sent", "session": null, "id": "F000002"}));
    while !sent(&index).contains(&"F000002".to_owned()) {}
    // By another program that writes the file itself.
    edit(&index, "F000003");
    send(frame(5));
    drop(stdin);
    assert!(stage.finish().success());
    let expected = ["F000001", "F000002", "F000003"];
    assert_eq!(sent(&index), expected);
    assert_eq!(read_json(&index).len(), 5);
    // And after a restart that replays everything.
    run(&index, &[frame(1), frame(2), frame(3), frame(4), frame(5), frame(6)]);
    assert_eq!(sent(&index), expected);
}

/// Sets a mark in the file as another program does; what it wrote.
fn edit(index: &Path, id: &str) -> Vec<u8> {
    let mut entries = read_json(index);
    let entry = entries.iter_mut().find(|entry| entry["id"] == id).unwrap();
    entry["sent_to_agent"] = true.into();
    let text = serde_json::to_vec(&entries).unwrap();
    let edited = index.with_extension("edited");
    fs::write(&edited, &text).unwrap();
    fs::rename(edited, index).unwrap();
    text
}

#[test]
fn an_edit_between_any_two_steps_of_a_commit_is_heard() {
    const EDITS: u32 = 300;
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &(1..=EDITS).map(frame).collect::<Vec<_>>());
    let (mut stage, mut stdin) = start(&index);
    // One commit after another, as long as there are edits.
    let (edited, edits) = mpsc::channel::<()>();
    let commits = std::thread::spawn(move || {
        let mut n = EDITS;
        while matches!(edits.try_recv(), Err(mpsc::TryRecvError::Empty)) {
            n += 1;
            writeln!(stdin, "{}", line(&frame(n))).unwrap();
            stage.next_event().unwrap();
        }
        drop(stdin);
        assert!(stage.finish().success());
        n
    });
    for n in 1..=EDITS {
        let text = edit(&index, &format!("F{n:06}"));
        // As soon as it is replaced, and so at another moment of a commit each time, the next one.
        while n < EDITS && fs::read(&index).unwrap() == text {}
    }
    drop(edited);
    let count = commits.join().unwrap();
    let expected: Vec<_> = (1..=EDITS).map(|n| format!("F{n:06}")).collect();
    assert_eq!(sent(&index), expected);
    assert_eq!(read_json(&index).len(), count as usize, "a frame is missing");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "index and journal");
}

#[test]
fn an_edit_that_changes_neither_size_nor_inode_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    writeln!(stdin, "{}", line(&frame(1))).unwrap();
    stage.next_event().unwrap();
    while read_json(&index).is_empty() {}
    let text = fs::read_to_string(&index).unwrap();
    let at = text.find("false").unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&index)
        .unwrap()
        .write_all_at(b"true ", at as u64)
        .unwrap();
    writeln!(stdin, "{}", line(&frame(2))).unwrap();
    drop(stdin);
    assert!(stage.finish().success());
    assert_eq!((sent(&index), read_json(&index).len()), (vec!["F000001".to_owned()], 2));
}

#[test]
fn an_edit_that_a_killed_writer_had_swapped_out_is_heard() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[frame(1), frame(2)]);
    // As it lies there between the exchange and the journal.
    let ours = fs::read(&index).unwrap();
    edit(&index, "F000002");
    fs::rename(&index, folder.path().join(".index.json.cht-tmp")).unwrap();
    fs::write(&index, ours).unwrap();
    run(&index, &[]);
    assert_eq!(sent(&index), ["F000002"]);
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[]);
    let (mut stage, mut stdin) = start(&index);
    let writer = std::thread::spawn(move || {
        for n in 1..=2000 {
            writeln!(stdin, "{}", line(&frame(n))).unwrap();
        }
    });
    let reader = std::thread::spawn(move || while stage.next_event().is_some() {});
    let mut seen = 0;
    while seen < 2000 {
        let count = read_json(&index).len();
        assert!(count >= seen, "the index became shorter");
        seen = count;
    }
    writer.join().unwrap();
    reader.join().unwrap();
}

#[test]
fn killed_at_any_moment_it_continues() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    for kill in [0, 1, 7, 30] {
        let (mut stage, mut stdin) = start(&index);
        for n in 1..=kill {
            writeln!(stdin, "{}", line(&frame(n))).unwrap();
            stage.next_event().unwrap();
        }
        kill_now(&mut stage.child);
    }
    // A line that was cut off by a kill in the middle of a write.
    let journal = folder.path().join("index.ndjson");
    let mut file = fs::OpenOptions::new().append(true).open(&journal).unwrap();
    file.write_all(b"{\"v\":1,\"type\":\"fra").unwrap();
    let events: Vec<Value> = (1..=40).map(frame).collect();
    run(&index, &events);
    let ids: Vec<Value> = read_json(&index).iter().map(|entry| entry["id"].clone()).collect();
    let expected: Vec<Value> = events.iter().map(|event| event["id"].clone()).collect();
    assert_eq!(ids, expected);
    let journal = fs::read_to_string(journal).unwrap();
    assert_eq!(journal.lines().count(), 40, "nothing doubled");
}

fn kill_now(child: &mut Child) {
    signal(child, "KILL");
    child.wait().unwrap();
}

#[test]
fn an_unknown_frame_cannot_be_marked() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[frame(1)]);
    let output =
        tool("cht-index").args(["--sent", "F000009", "--out"]).arg(&index).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("F000009: no such frame"));
}
