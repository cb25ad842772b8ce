//! cht-index keeps `index.json` complete and whole, with the edits of other programs.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ChildStdin, Stdio},
};

use cht_tests::{Stage, at_terminal, line, read_json, signal, tool};
use serde_json::{Value, json};

#[path = "index/edits.rs"]
mod edits;
#[path = "index/events.rs"]
mod events;
#[path = "index/large.rs"]
mod large;
#[path = "index/metrics.rs"]
mod metrics;

fn frame(n: u32) -> Value {
    json!({
        "v": 1, "type": "frame", "session": null, "id": format!("F{n:06}"),
        "timestamp": f64::from(n), "pts": n, "path": format!("/frames/F{n:06}.jpg"),
        "segment": "/a.ts", "reason": "scene", "scores": {"scene": 0.5},
        "width": 640, "height": 360, "bytes": 1000, "hash": "0".repeat(64),
    })
}

fn start(index: &Path) -> (Stage, ChildStdin) {
    let mut command = tool("cht-index");
    let mut stage = Stage::start(command.arg("--out").arg(index).stdin(Stdio::piped()));
    let stdin = stage.child.stdin.take().unwrap();
    (stage, stdin)
}

fn run(index: &Path, events: &[Value]) {
    let mut stage = Stage::fed(tool("cht-index").arg("--out").arg(index), events.iter().map(line));
    assert!(stage.finish().success());
}

fn sent(index: &Path) -> Vec<String> {
    let entries = read_json(index);
    let sent = entries.iter().filter(|entry| entry["sent_to_agent"] == true);
    sent.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
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
fn entry_has_four_fields_and_those_of_event() {
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
fn empty_session_has_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[]);
    assert_eq!(read_json(&index), Vec::<Value>::new());
}

#[test]
fn sent_mark_of_any_source_is_kept() {
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
    // By the command, next to the running stage, once the frame is in its index.
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

#[test]
fn mark_without_session_is_an_error() {
    let mark = json!({"v": 1, "type": "sent", "session": null, "id": "F000002"});
    let mut stage = Stage::fed(&mut tool("cht-index"), [line(&mark)]);
    assert_eq!(stage.finish().code(), Some(1));
    let message = stage.of_type("error")[0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("F000002: the mark belongs to no session"), "{message}");
    assert_eq!(stage.of_type("sent").len(), 1, "it is passed on all the same");
}

#[test]
fn reader_always_sees_whole_file() {
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
fn killed_index_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    for kill in [0, 1, 7, 30] {
        let (mut stage, mut stdin) = start(&index);
        for n in 1..=kill {
            writeln!(stdin, "{}", line(&frame(n))).unwrap();
            stage.next_event().unwrap();
        }
        stage.kill();
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

#[test]
fn index_whose_reader_is_stalled_ends_after_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let [index, events] = ["index.json", "events"].map(|name| folder.path().join(name));
    // More than a pipe takes.
    let lines: String = (1..=2000).map(|n| line(&frame(n)) + "\n").collect();
    fs::write(&events, lines).unwrap();
    let mut command = tool("cht-index");
    command.arg("--out").arg(&index).stdin(fs::File::open(events).unwrap());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}

#[test]
fn mark_of_unknown_frame_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[frame(1)]);
    let output =
        tool("cht-index").args(["--sent", "F000009", "--out"]).arg(&index).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("F000009: no such frame"));
}

/// Runs cht-index on nothing; what it says, and its exit status.
fn said(index: &Path, options: &[&str]) -> (String, Option<i32>) {
    let mut command = tool("cht-index");
    command.arg("--out").arg(index).args(options).stdin(Stdio::null());
    let output = command.output().unwrap();
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

#[test]
fn frame_is_indexed_before_it_is_passed_on() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    for n in 1..=100 {
        writeln!(stdin, "{}", line(&frame(n))).unwrap();
        stage.next_event().unwrap();
        assert_eq!(read_json(&index).len(), n as usize);
    }
    let mark = tool("cht-index").args(["--sent", "F000100", "--out"]).arg(&index).status();
    assert!(mark.unwrap().success());
    drop(stdin);
    assert!(stage.finish().success());
}

#[test]
fn frames_out_of_order_are_indexed_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[5, 2, 9, 1].map(frame));
    let times = || -> Vec<f64> {
        read_json(&index).iter().map(|entry| entry["timestamp"].as_f64().unwrap()).collect()
    };
    assert_eq!(times(), [1.0, 2.0, 5.0, 9.0]);
    run(&index, &[frame(9), frame(3)]);
    assert_eq!(times(), [1.0, 2.0, 3.0, 5.0, 9.0]);
}

#[test]
fn foreign_file_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("package.json");
    let texts = [
        r#"{"name":"my project"}"#,
        r#"[{"id":"x","sent_to_agent":true}]"#,
        "[1]",
        "no json",
        "[",
        "null",
    ];
    for text in texts {
        for options in [&[][..], &["--overwrite"]] {
            fs::write(&path, text).unwrap();
            let (message, status) = said(&path, options);
            assert_eq!(status, Some(2), "{text}: {message}");
            assert!(message.contains("package.json: no index of frames"), "{message}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{text}");
        }
    }
    // A foreign journal stays as well, with its file.
    fs::write(folder.path().join("package.ndjson"), "{\"mine\":1}\n").unwrap();
    fs::write(&path, "[]").unwrap();
    assert_eq!(said(&path, &["--overwrite"]).1, Some(2));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[]");
    assert_eq!(said(folder.path(), &[]).1, Some(2), "a folder");
}

#[test]
fn index_without_journal_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    for nothing in ["", "[]", " [\n]\n"] {
        fs::write(&index, nothing).unwrap();
        assert_eq!(said(&index, &[]).1, Some(0));
        assert_eq!(read_json(&index), Vec::<Value>::new());
        fs::remove_file(index.with_extension("ndjson")).unwrap();
    }
    run(&index, &[frame(1), frame(2)]);
    edit(&index, "F000002");
    fs::remove_file(index.with_extension("ndjson")).unwrap();
    run(&index, &[frame(2), frame(3)]);
    assert_eq!(read_json(&index).len(), 3);
    assert_eq!(sent(&index), ["F000002"]);
}

/// Returns a frame of a session.
fn frame_of(session: &Path, n: u32) -> Value {
    let mut frame = frame(n);
    frame["session"] = session.to_str().unwrap().into();
    frame
}

#[test]
fn overwrite_starts_over_the_named_index_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    for session in [&one, &other] {
        fs::create_dir_all(session.join("stream")).unwrap();
        let events = (1..=3).map(|n| line(&frame_of(session, n)));
        assert!(Stage::fed(&mut tool("cht-index"), events).finish().success());
    }
    let mut command = tool("cht-index");
    command.arg("--session").arg(&one).arg("--overwrite");
    let events = [frame_of(&one, 1), frame_of(&other, 4)].map(|event| line(&event));
    assert!(Stage::fed(&mut command, events).finish().success());
    let count = |session: &Path| read_json(&session.join("frames/index.json")).len();
    assert_eq!((count(&one), count(&other)), (1, 4));
}

#[test]
fn session_that_was_removed_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let [removed, other] = ["removed", "other"].map(|name| {
        let session = folder.path().join(name);
        fs::create_dir_all(session.join("stream")).unwrap();
        session
    });
    let mut stage = Stage::start(tool("cht-index").stdin(Stdio::piped()));
    let mut stdin = stage.child.stdin.take().unwrap();
    let send = |stdin: &mut ChildStdin, session: &Path, n| {
        writeln!(stdin, "{}", line(&frame_of(session, n))).unwrap();
    };
    send(&mut stdin, &removed, 1);
    stage.wait_for("frame");
    fs::remove_dir_all(&removed).unwrap();
    send(&mut stdin, &other, 1);
    stage.wait_for("frame");
    drop(stdin);
    assert!(stage.finish().success());
    assert!(stage.of_type("error").is_empty());
    assert_eq!(read_json(&other.join("frames/index.json")).len(), 1);
}

#[test]
fn session_without_room_for_index_is_an_error_and_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::create_dir_all(place("good/stream")).unwrap();
    fs::create_dir(place("project")).unwrap();
    fs::write(place("file"), "").unwrap();
    fs::create_dir_all(place("taken/stream")).unwrap();
    fs::write(place("taken/frames"), "").unwrap();
    fs::create_dir_all(place("other/frames")).unwrap();
    fs::write(place("other/frames/index.json"), "{}").unwrap();
    fs::create_dir_all(place("linked/stream")).unwrap();
    std::os::unix::fs::symlink(place("project"), place("linked/frames")).unwrap();
    let long = "x".repeat(300);
    let bad = ["project", "file", "taken", "other", "linked", "nowhere", &long];
    let sessions = bad.into_iter().chain(["good"]).map(place);
    let frames = sessions.flat_map(|session| [1, 2].map(|n| line(&frame_of(&session, n))));
    let mut stage = Stage::fed(&mut tool("cht-index"), frames);
    assert_eq!(stage.finish().code(), Some(1));
    assert_eq!(read_json(&place("good/frames/index.json")).len(), 2);
    assert_eq!(stage.of_type("frame").len(), 16, "all are passed on");
    let errors = stage.of_type("error");
    assert!(errors.iter().all(|error| error["code"] == "session"), "{errors:?}");
    assert_eq!(errors.len(), 7, "each said once: {errors:?}");
    let made = |name: &str| fs::read_dir(place(name)).unwrap().count();
    assert_eq!((made("project"), made("other/frames"), made("taken")), (0, 1, 2));
    assert!(!place("nowhere").exists());
}

#[test]
fn more_sessions_than_descriptors_are_indexed() {
    const SESSIONS: u32 = 60;
    let folder = tempfile::tempdir().unwrap();
    let session = |n: u32| folder.path().join(format!("s{n}"));
    let mut command = std::process::Command::new("bash");
    command.args(["-c", "ulimit -n 40; exec \"$0\" --overwrite"]).arg(cht_tests::bin("cht-index"));
    let mut stage = Stage::start(command.stdin(Stdio::piped()));
    let mut stdin = stage.child.stdin.take().unwrap();
    for round in 1..=2 {
        for n in 0..SESSIONS {
            fs::create_dir_all(session(n).join("stream")).unwrap();
            writeln!(stdin, "{}", line(&frame_of(&session(n), round))).unwrap();
            stage.next_event().unwrap();
        }
    }
    drop(stdin);
    assert!(stage.finish().success());
    for n in 0..SESSIONS {
        assert_eq!(read_json(&session(n).join("frames/index.json")).len(), 2, "session {n}");
    }
}

#[test]
fn copied_session_names_its_own_files_after_run_on_terminal_or_empty_input() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let frames = place("old/frames");
    fs::create_dir_all(place("old/stream")).unwrap();
    fs::create_dir_all(&frames).unwrap();
    let in_session = |n: u32| {
        let mut frame = frame_of(&place("old"), n);
        frame["path"] = frames.join(format!("F{n:06}.jpg")).to_str().unwrap().into();
        frame
    };
    let mut stage = Stage::fed(&mut tool("cht-index"), [1, 2].map(|n| line(&in_session(n))));
    assert!(stage.finish().success());
    let copy = |name: &str| {
        let mut copy = std::process::Command::new("cp");
        assert!(copy.arg("-r").args([place("old"), place(name)]).status().unwrap().success());
        place(name)
    };
    let names_own_files = |session: &Path| {
        for entry in read_json(&session.join("frames/index.json")) {
            let relative = entry["relative_path"].as_str().unwrap();
            assert_eq!(entry["path"], *session.join(relative).to_str().unwrap());
            assert_eq!(entry["session"], *session.to_str().unwrap());
        }
    };
    let empty = copy("by empty input");
    assert_eq!(said(&empty.join("frames/index.json"), &[]).1, Some(0));
    let terminal = copy("by terminal");
    let command = format!("cht-index --session '{}'", terminal.display());
    let output = at_terminal(&command).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for session in [place("old"), empty, terminal] {
        names_own_files(&session);
    }
}

#[test]
fn full_disk_is_waited_for_and_loses_no_frame() {
    let Some(disk) = cht_tests::Tmpfs::mount(1) else { return };
    let index = disk.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    while !index.exists() {}
    let filler = disk.fill();
    writeln!(stdin, "{}", line(&frame(1))).unwrap();
    let error = stage.next_event().unwrap();
    assert_eq!((&error["type"], &error["code"]), (&"error".into(), &"disk".into()), "{error}");
    fs::remove_file(filler).unwrap();
    assert_eq!(stage.next_event().unwrap()["id"], "F000001");
    writeln!(stdin, "{}", line(&frame(2))).unwrap();
    drop(stdin);
    assert_eq!(stage.finish().code(), Some(1));
    assert_eq!(stage.of_type("error").len(), 1, "said once");
    assert_eq!(read_json(&index).len(), 2);
}

#[test]
fn hostile_index_or_journal_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let deep = "[".repeat(200_000);
    let twice = r#"[{"id":"F000001","sent_to_agent":true,"id":"F000002"}]"#;
    let texts = [&deep, twice, "\0\0\0\0", "[}", r#"[{"id":"F000001","x":1e999}]"#, "[,,,]"];
    for text in texts.map(str::as_bytes).into_iter().chain([&b"[{\"id\":\"\xFF\"}]"[..]]) {
        let _ = fs::remove_file(index.with_extension("ndjson"));
        let _ = fs::remove_file(&index);
        run(&index, &[frame(1), frame(2)]);
        fs::write(&index, text).unwrap();
        let (message, status) = said(&index, &[]);
        assert!(matches!(status, Some(0 | 1)), "{message}");
        assert_eq!(read_json(&index).len(), 2, "{message}");
        let mut journal = fs::OpenOptions::new().append(true).open(index.with_extension("ndjson"));
        let journal = journal.as_mut().unwrap();
        journal.write_all(text).unwrap();
        journal.write_all(b"\n").unwrap();
        let (message, status) = said(&index, &[]);
        assert!(matches!(status, Some(0 | 1)), "{message}");
        assert_eq!(read_json(&index).len(), 2, "{message}");
    }
}

#[test]
fn mark_appended_by_another_program_is_in_index_while_no_event_comes() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    writeln!(stdin, "{}", line(&frame(1))).unwrap();
    stage.next_event().unwrap();
    let mark = "{\"v\":1,\"type\":\"sent\",\"session\":null,\"id\":\"F000001\"}\n";
    let mut journal =
        fs::OpenOptions::new().append(true).open(index.with_extension("ndjson")).unwrap();
    journal.write_all(mark.as_bytes()).unwrap();
    while sent(&index).is_empty() {}
    drop(stdin);
    assert!(stage.finish().success());
}
