//! cht-index keeps `index.json` complete and whole, with the edits of other programs.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::FileExt as _,
    path::Path,
    process::{ChildStdin, Stdio},
    sync::mpsc,
};

use cht_tests::{Stage, line, read_json, tool};
use serde_json::{Value, json};

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
fn edit_during_commit_is_taken_over() {
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
fn edit_without_change_of_size_or_inode_is_taken_over() {
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
fn edit_swapped_out_by_killed_writer_is_taken_over() {
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
fn mark_of_unknown_frame_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[frame(1)]);
    let output =
        tool("cht-index").args(["--sent", "F000009", "--out"]).arg(&index).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("F000009: no such frame"));
}

#[test]
fn mark_swapped_out_by_killed_sent_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin) = start(&index);
    let mut send = |n| {
        writeln!(stdin, "{}", line(&frame(n))).unwrap();
        stage.next_event().unwrap();
    };
    send(1);
    send(2);
    // As a `--sent` leaves it that is killed between the exchange and the journal.
    let ours = fs::read(&index).unwrap();
    edit(&index, "F000002");
    fs::rename(&index, folder.path().join(".index.json.cht-tmp")).unwrap();
    fs::write(&index, ours).unwrap();
    send(3);
    assert_eq!(sent(&index), ["F000002"]);
    drop(stdin);
    assert!(stage.finish().success());
}

/// Runs cht-index on nothing; what it says, and its exit status.
fn said(index: &Path, options: &[&str]) -> (String, Option<i32>) {
    let mut command = tool("cht-index");
    command.arg("--out").arg(index).args(options).stdin(Stdio::null());
    let output = command.output().unwrap();
    (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
}

#[test]
fn bad_element_of_edit_loses_no_other_mark() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &(1..=6).map(frame).collect::<Vec<_>>());
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let text = format!(
        r#"[{{"id":"F000001","sent_to_agent":true}},{{"note":"mine"}},null,7,"F000005",
        {{"id":"F000002","sent_to_agent":null}},{{"id":"F000003","sent_to_agent":"true"}},
        {{"id":"F000004","sent_to_agent":true,"n":1e999}},{{"id":"F000009","sent_to_agent":true}},
        {{"id":["F000002"],"sent_to_agent":true}},{deep},
        {{"id":"F000006","sent_to_agent":true}}]"#
    );
    fs::write(&index, text).unwrap();
    let (message, status) = said(&index, &[]);
    assert_eq!(sent(&index), ["F000001", "F000006"]);
    assert_eq!(status, Some(1));
    assert!(message.contains("9 edits are not taken over; element 2: no frame"), "{message}");
    assert_eq!(read_json(&index).len(), 6);
}

#[test]
fn broken_json_edit_is_kept_and_its_whole_elements_count() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    run(&index, &[frame(1), frame(2)]);
    let text = r#"[{"id":"F000001","sent_to_agent":true},{"id":"F000002","sent_to"#;
    fs::write(&index, text).unwrap();
    let (message, status) = said(&index, &[]);
    assert_eq!((sent(&index), status), (vec!["F000001".to_owned()], Some(1)), "{message}");
    let kept = folder.path().join("index.json.broken1");
    assert_eq!(fs::read_to_string(&kept).unwrap(), text);
    assert!(message.contains(kept.to_str().unwrap()), "{message}");
}

#[test]
fn foreign_fields_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let mut event = frame(1);
    event["words"] = json!(["a", {"b": null, "n": 0.1}]);
    let raw = line(&event);
    let feed = |lines: &str| {
        let mut command = tool("cht-index");
        command.arg("--out").arg(&index).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), lines, "passed on unchanged");
    };
    feed(&format!("{raw}\n{}\n", line(&frame(2))));
    assert_eq!(read_json(&index)[0]["words"], event["words"]);
    // In the file: a field of another program, and another value for that of the event.
    let mut entries = read_json(&index);
    entries[1]["note"] = "mine".into();
    entries[0]["words"] = "edited".into();
    fs::write(&index, serde_json::to_vec(&entries).unwrap()).unwrap();
    // Rewritten, and once more from the journal alone.
    feed(&format!("{}\n", line(&frame(3))));
    fs::remove_file(&index).unwrap();
    feed(&format!("{}\n", line(&frame(1))));
    let entries = read_json(&index);
    assert_eq!((&entries[0]["words"], &entries[1]["note"]), (&"edited".into(), &"mine".into()));
    assert_eq!(entries.len(), 3);
    // Another picture of this id is another frame.
    let mut other = frame(2);
    other["hash"] = "1".repeat(64).into();
    feed(&format!("{}\n", line(&other)));
    assert_eq!(read_json(&index)[1]["note"], Value::Null);
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
    let output = std::process::Command::new("timeout")
        .args(["30", "script", "-qec", &command, "/dev/null"])
        .env("PATH", cht_tests::path_with_binaries())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    for session in [place("old"), empty, terminal] {
        names_own_files(&session);
    }
}

#[test]
fn mark_and_frames_of_large_index_are_there_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let lines: Vec<_> = (1..=20_000).map(|n| line(&frame(n)) + "\n").collect();
    let events = folder.path().join("events");
    fs::write(&events, lines.concat()).unwrap();
    let mut command = tool("cht-index");
    command.arg("--out").arg(&index).stdin(fs::File::open(&events).unwrap());
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    let whole = fs::metadata(&index).unwrap().len();
    assert!(whole > 4 << 20, "{whole}");
    // Opened and not changed, it is not written.
    let written = || fs::metadata(&index).unwrap().modified().unwrap();
    let before = written();
    assert_eq!(said(&index, &[]).1, Some(0));
    assert_eq!(written(), before);
    let (mut stage, mut stdin) = start(&index);
    let mut times = std::collections::BTreeSet::new();
    for n in 20_001..=20_100 {
        writeln!(stdin, "{}", line(&frame(n))).unwrap();
        stage.next_event().unwrap();
        times.insert(written());
    }
    let mark = json!({"v": 1, "type": "sent", "session": null, "id": "F000007"});
    writeln!(stdin, "{}", line(&mark)).unwrap();
    stage.next_event().unwrap();
    let journal = fs::read_to_string(index.with_extension("ndjson")).unwrap();
    assert_eq!(journal.lines().count(), 20_101, "in the journal before it is passed on");
    drop(stdin);
    assert!(stage.finish().success());
    assert!(times.len() < 50, "written {} times", times.len());
    assert_eq!((read_json(&index).len(), sent(&index)), (20_100, vec!["F000007".to_owned()]));
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

/// Returns an event that is no frame.
fn event(session: &Path, kind: &str, fields: &Value) -> Value {
    let mut event = json!({"v": 1, "type": kind, "session": session.to_str().unwrap()});
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

fn speech(session: &Path, start: u32, text: &str) -> Value {
    let fields = json!({"start": f64::from(start), "end": f64::from(start) + 1.5, "text": text});
    event(session, "transcript", &fields)
}

fn piece(session: &Path, n: u32) -> Value {
    let path = |name: &str| session.join(name).to_str().unwrap().to_owned();
    let fields = json!({
        "id": format!("A{n:06}"), "start": 0.5, "duration": 1.0, "pts": 1, "samples": 16000, "rate": 16000,
        "path": path(&format!("audio/A{n:06}.wav")), "segment": path("stream/segment_000001.ts"),
        "pid": 257, "channels": 1, "speech": [], "silent": true, "bytes": 1, "hash": "0".repeat(64),
    });
    event(session, "audio", &fields)
}

/// Makes the folders of a session.
fn session(folder: &Path, name: &str) -> std::path::PathBuf {
    fs::create_dir_all(folder.join(name).join("stream")).unwrap();
    folder.join(name)
}

fn feed(options: &[&str], events: &[Value]) {
    let mut command = tool("cht-index");
    let mut stage = Stage::fed(command.args(options), events.iter().map(line));
    assert!(stage.finish().success());
    assert_eq!(stage.events, events, "passed on in order");
}

/// Returns the lines of a file.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns begin and text of each cue, as ffmpeg reads them.
fn cues(subtitles: &Path) -> Vec<(String, String)> {
    let srt = std::process::Command::new("ffmpeg")
        .args(["-loglevel", "error", "-i"])
        .arg(subtitles)
        .args(["-f", "srt", "-"])
        .output()
        .unwrap();
    assert!(srt.status.success() && srt.stderr.is_empty(), "{srt:?}");
    let text = String::from_utf8(srt.stdout).unwrap();
    let cues = text.split_terminator("\n\n").map(|cue| cue.lines().collect::<Vec<_>>());
    cues.map(|cue| (cue[1].split(' ').next().unwrap().to_owned(), cue[2].to_owned())).collect()
}

#[test]
fn text_speech_and_sound_are_kept_once_and_speech_becomes_subtitles() {
    let folder = tempfile::tempdir().unwrap();
    let call = session(folder.path(), "call");
    let text = json!({
        "id": "F000001", "text": "Agenda", "boxes": [{"x": 1, "y": 1, "width": 9, "height": 9, "text": "Agenda"}],
    });
    let mut events = vec![
        frame_of(&call, 1),
        event(&call, "text", &text),
        piece(&call, 1),
        speech(&call, 3, "one & <two>"),
        speech(&call, 9, "three"),
        // It comes late.
        speech(&call, 6, "two and a half"),
    ];
    feed(&[], &events[..4]);
    // Started again, and once more in another place.
    feed(&[], &events);
    let moved = folder.path().join("moved");
    fs::rename(&call, &moved).unwrap();
    for event in &mut events {
        let line = event.to_string().replace(call.to_str().unwrap(), moved.to_str().unwrap());
        *event = serde_json::from_str(&line).unwrap();
    }
    feed(&[], &events[1..]);
    let journal = lines(&moved.join("frames/index.ndjson"));
    let kinds: Vec<_> = journal.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["frame", "text", "audio", "transcript", "transcript", "transcript"]);
    assert_eq!(journal[1]["boxes"], events[1]["boxes"]);
    assert_eq!(journal[2]["relative_path"], "audio/A000001.wav");
    let transcript = moved.join("transcript/transcript.ndjson");
    assert_eq!(lines(&transcript), journal[3..]);
    let subtitles = moved.join("transcript/transcript.vtt");
    let expected = [
        ("00:00:03,000", "one & <two>"),
        ("00:00:06,000", "two and a half"),
        ("00:00:09,000", "three"),
    ];
    assert_eq!(cues(&subtitles), expected.map(|(at, text)| (at.to_owned(), text.to_owned())));
    // As a kill, a crash or a hand leaves them.
    let whole = fs::read(&subtitles).unwrap();
    for damaged in [&whole[..whole.len() - 5], &[&whole[..], b"00:00:"].concat(), b""] {
        for path in [&subtitles, &transcript] {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(60).unwrap();
        }
        fs::write(&subtitles, damaged).unwrap();
        feed(&[], &events[1..2]);
        assert_eq!(fs::read(&subtitles).unwrap(), whole);
        assert_eq!(lines(&transcript), journal[3..]);
    }
    // A lost journal gets its speech back; an index that is started over has none.
    fs::remove_file(moved.join("frames/index.ndjson")).unwrap();
    feed(&[], &[frame_of(&moved, 2)]);
    assert_eq!(lines(&moved.join("frames/index.ndjson")).len(), 5);
    feed(&["--overwrite"], &[frame_of(&moved, 2)]);
    assert!(!subtitles.exists() && !transcript.exists());
}

#[test]
fn subtitles_of_another_program_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let call = session(folder.path(), "call");
    fs::create_dir(call.join("transcript")).unwrap();
    let theirs = call.join("transcript/transcript.vtt");
    fs::write(&theirs, "WEBVTT\n\n00:01.000 --> 00:02.000\ntheirs\n").unwrap();
    let events = [speech(&call, 3, "one"), speech(&call, 1, "two"), speech(&call, 4, "three")];
    let mut stage = Stage::fed(&mut tool("cht-index"), events.iter().map(line));
    assert_eq!(stage.finish().code(), Some(1), "said on stderr");
    assert!(fs::read_to_string(&theirs).unwrap().contains("theirs"));
    assert_eq!(lines(&call.join("transcript/transcript.ndjson")).len(), 3);
}

#[test]
fn killed_stage_leaves_speech_that_is_whole_and_in_order_after_restart() {
    let folder = tempfile::tempdir().unwrap();
    let call = session(folder.path(), "call");
    let events: Vec<Value> = (1..=40).map(|n| speech(&call, n * 7 % 41, "words")).collect();
    for kill in [0, 1, 7, 30] {
        let mut command = tool("cht-index");
        let mut stage = Stage::start(command.stdin(Stdio::piped()));
        let mut stdin = stage.child.stdin.take().unwrap();
        for event in &events[..kill] {
            writeln!(stdin, "{}", line(event)).unwrap();
            stage.next_event().unwrap();
        }
        stage.kill();
    }
    feed(&[], &events);
    assert_eq!(lines(&call.join("frames/index.ndjson")).len(), 40, "nothing doubled");
    assert_eq!(lines(&call.join("transcript/transcript.ndjson")).len(), 40);
    let times: Vec<_> =
        cues(&call.join("transcript/transcript.vtt")).into_iter().map(|it| it.0).collect();
    assert!(times.len() == 40 && times.is_sorted(), "{times:?}");
}

#[test]
fn object_has_all_of_a_session_and_keeps_marks_and_its_form() {
    let folder = tempfile::tempdir().unwrap();
    let call = session(folder.path(), "call");
    let segment = |seq: u32| {
        let path = call.join(format!("stream/segment_00000{seq}.ts"));
        line(&event(
            &call,
            "segment_closed",
            &json!({
                "seq": seq, "path": path.to_str().unwrap(), "connection": 1, "offset": 0, "bytes": 9,
                "blake3": "0".repeat(64), "opened_at": "2026-11-23T06:24:29.5Z", "closed_at": "2026-11-23T06:24:31.5Z",
                "end_reason": "stopped", "relative_path": format!("stream/segment_00000{seq}.ts"),
            }),
        ))
    };
    let deleted = line(&event(
        &call,
        "deleted",
        &json!({"seq": 1, "path": "/x", "bytes": 9, "reason": "missing", "at": "2026-11-23T06:24:31.5Z"}),
    ));
    let log = [segment(1), segment(2), deleted].join("\n") + "\n";
    fs::write(call.join("stream/segments.ndjson"), log).unwrap();
    let text = event(&call, "text", &json!({"id": "F000001", "text": ""}));
    let events = [
        frame_of(&call, 1),
        frame_of(&call, 2),
        text,
        piece(&call, 1),
        speech(&call, 5, "b"),
        speech(&call, 3, "a"),
    ];
    feed(&["--format", "object"], &events);
    let index = call.join("frames/index.json");
    let read = || serde_json::from_slice::<Value>(&fs::read(&index).unwrap()).unwrap();
    let object = read();
    assert_eq!((&object["v"], &object["session"]), (&1.into(), &call.to_str().unwrap().into()));
    let ids = |name: &str, field: &str| -> Vec<Value> {
        object[name].as_array().unwrap().iter().map(|it| it[field].clone()).collect()
    };
    assert_eq!(ids("frames", "id"), ["F000001", "F000002"]);
    assert_eq!(ids("segments", "seq"), [2]);
    assert_eq!(ids("segments", "relative_path"), ["stream/segment_000002.ts"]);
    assert_eq!(ids("text", "id"), ["F000001"]);
    assert_eq!(ids("audio", "id"), ["A000001"]);
    assert_eq!(ids("transcript", "text"), ["a", "b"]);
    // An edit, a command and an empty run keep it.
    let mut edited = object.clone();
    edited["frames"][1]["sent_to_agent"] = true.into();
    edited["frames"][1]["note"] = "mine".into();
    fs::write(&index, serde_json::to_vec_pretty(&edited).unwrap()).unwrap();
    let mark = tool("cht-index").args(["--sent", "F000001", "--session"]).arg(&call).status();
    assert!(mark.unwrap().success());
    assert_eq!(said(&index, &[]).1, Some(0));
    edited["frames"][0]["sent_to_agent"] = true.into();
    assert_eq!(read(), edited);
    // Another form is asked for.
    assert_eq!(said(&index, &["--format", "array"]).1, Some(0));
    assert_eq!(Value::from(read_json(&index)), edited["frames"]);
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
