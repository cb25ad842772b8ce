//! Text, speech and sound: in the journal, in files of speech, and in an index that is an object.

use super::*;

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
