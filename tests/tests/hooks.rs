//! Hooks by other programs, the systemd unit, and `make reprocess`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests panic at wrong values, and print the names of skipped parts"
)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use cht_tests::{
    QUICK, Stage, bin_folder, generate, line, make_script, recorder, root, send, source, tool,
    words,
};
use serde_json::{Value, json};

fn is_installed(program: &str) -> bool {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("command -v {program} >/dev/null")]);
    let found = shell.status().unwrap().success();
    if !found {
        println!("skipped: {program} is not here");
    }
    found
}

#[test]
fn entr_notices_each_replaced_playlist() {
    if !is_installed("entr") {
        return;
    }
    let readme = fs::read_to_string(root().join("docs/pipelines.md")).unwrap();
    let command = readme.lines().find(|line| line.contains("| entr ")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bytes = source(1.0);
    fs::create_dir(folder.path().join("backup")).unwrap();
    let sessions = folder.path().join("sessions");
    let (mut recv, address) = recorder(&sessions, "--session-id call");
    let mut send = || {
        send(&address, &bytes);
        recv.wait_for("segment_closed");
    };
    send();
    let mut hook = Command::new("bash");
    hook.args(["-c", &format!("{command} & echo $! >&2; wait")]).current_dir(folder.path());
    hook.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut hook = hook.spawn().unwrap();
    let mut pid = String::new();
    BufReader::new(hook.stderr.take().unwrap()).read_line(&mut pid).unwrap();
    let (heard, said) = mpsc::channel();
    let lines = BufReader::new(hook.stdout.take().unwrap()).lines();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| heard.send(line)));
    // It copies the existing files when it starts.
    assert!(said.recv().unwrap().contains("segment_000001.ts"));
    // entr does not look while its command runs, and just after: a later change makes up for it.
    let copied = (0..20).any(|_| {
        send();
        said.recv_timeout(Duration::from_secs(2)).is_ok()
    });
    assert!(copied, "entr saw no change");
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    hook.wait().unwrap();
    recv.stop();
    let original = sessions.join("call/stream");
    for entry in fs::read_dir(folder.path().join("backup")).unwrap() {
        let copy = entry.unwrap();
        // The last one may have been stopped in the middle.
        let whole = fs::read(original.join(copy.file_name())).unwrap();
        assert!(whole.starts_with(&fs::read(copy.path()).unwrap()));
    }
}

#[test]
fn systemd_unit_and_its_options_are_valid() {
    let unit = fs::read_to_string(root().join("scripts/cht-recv.service")).unwrap();
    let options = unit.lines().find_map(|line| line.strip_prefix("Environment=\"OPTIONS="));
    let options = options.unwrap().strip_suffix('"').unwrap();
    // `--version` ends it after it has parsed the options.
    let taken = tool("cht-recv").args(words(options)).arg("--version").output().unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    if !is_installed("systemd-analyze") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let here = bin_folder().display().to_string();
    let units = ["cht-recv.service", "cht-batch.service", "cht-batch.timer"];
    for unit in units {
        let text = fs::read_to_string(root().join("scripts").join(unit)).unwrap();
        fs::write(folder.path().join(unit), text.replace("/usr/local/bin", &here)).unwrap();
    }
    let paths = units.map(|unit| folder.path().join(unit));
    let verified = Command::new("systemd-analyze").arg("verify").args(paths).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    // What it says of units of the machine is not our affair.
    let is_ours = |line: &&str| units.iter().any(|unit| line.contains(unit));
    let ours: Vec<_> = said.lines().filter(is_ours).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn make_reprocess_with_spaces_completes_partial_index() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("my project");
    let sessions = place.join("my sessions");
    fs::create_dir_all(place.join("target")).unwrap();
    std::os::unix::fs::symlink(bin_folder(), place.join("target/release")).unwrap();
    std::os::unix::fs::symlink(root().join("Makefile"), place.join("Makefile")).unwrap();
    fs::create_dir(place.join("scripts")).unwrap();
    fs::copy(root().join("scripts/reprocess"), place.join("scripts/reprocess")).unwrap();
    let clip = place.join("clip.ts");
    generate(&clip, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    let (mut recv, address) = recorder(&sessions, "--session-id call --once");
    send(&address, &fs::read(clip).unwrap());
    recv.finish();
    // What a run that was killed leaves.
    let index = sessions.join("call/frames/index.json");
    fs::write(&index, "[]").unwrap();
    let mut make = Command::new("make");
    make.args(["reprocess", "SESSIONS=my sessions"]).current_dir(&place);
    let output = make.env_remove("CHT_SESSION").env("CHT_CACHE", "none").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let index = fs::read_to_string(index).unwrap();
    assert_eq!(index.matches("\"id\"").count(), 1, "{index}");
}

/// Returns the line of a frame with this picture.
fn frame(n: u32, picture: &Path, more: &Value) -> String {
    let mut frame = json!({
        "v": 1, "type": "frame", "session": null, "id": format!("F{n:06}"), "timestamp": n, "pts": n,
        "path": picture.to_str().unwrap(), "segment": "/a.ts", "reason": "scene", "scores": {"scene": 0.5},
        "width": 640, "height": 360, "bytes": 1, "hash": format!("{n:064x}"),
    });
    frame.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line(&frame)
}

/// Feeds frames to scripts/ocr and an index next to their pictures, with `path` before all
/// programs.
fn recognise(folder: &Path, path: &Path, frames: &[String]) -> Stage {
    let script = root().join("scripts/ocr");
    let binaries = cht_tests::path_with_binaries();
    let programs = [path.as_os_str(), &binaries];
    let mut command = Command::new("bash");
    command.args(["-c", r#""$0" | cht-index --out "$1/index.json""#]).args([&script, folder]);
    Stage::fed(command.env("PATH", programs.join(std::ffi::OsStr::new(":"))), frames)
}

#[test]
fn ocr_passes_broken_frames_on_and_recognises_the_others() {
    if !is_installed("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("tesseract");
    let row = r"5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t90\tWords";
    make_script(&program, &format!("#!/bin/sh\nprintf 'header\n{row}\n'\n"));
    let odd = r#"{"v":1,"type":"frame","session":null,"id":"F000009"}"#;
    let kinds = r#"{"v":1,"type":"text","id":["F000001"],"source":"tesseract"}"#;
    fs::write(folder.path().join("index.ndjson"), format!("{odd}\n{kinds}\n{{}}\n")).unwrap();
    let whole = frame(1, &folder.path().join("F000001.jpg"), &json!({}));
    let mut script = Command::new(root().join("scripts/ocr"));
    let programs = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    script.env("PATH", programs).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    write!(child.stdin.take().unwrap(), "{odd}\n{whole}\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let count = |kind: &str| said.matches(&format!(r#""type":"{kind}""#)).count();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!((count("frame"), count("text"), count("error")), (2, 1, 1), "{said}");
    assert!(said.starts_with(odd) && said.contains(r#""code":"bad_line""#), "{said}");
}

#[test]
fn ocr_recognises_each_picture_once_and_survives_crashes() {
    if !is_installed("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (calls, program) = (folder.path().join("calls"), folder.path().join("tesseract"));
    let row = r"5\t1\t1\t1\t1\t1\t10\t20\t30\t40\t90\tWords";
    let text = format!(
        r#"#!/bin/sh
        echo "$1" >>'{}'
        case "$1" in
            *F000002*) kill -9 $$ ;;
            *F000003*) kill -9 $PPID ;;
        esac
        printf 'header\n{row}\n'
        "#,
        calls.display()
    );
    make_script(&program, &text);
    let picture = |n: u32| folder.path().join(format!("F{n:06}.jpg"));
    let frames = [1, 2, 3, 4, 5].map(|n| {
        let more = if n == 4 { json!({"returned_to": "F000001"}) } else { json!({}) };
        frame(n, &picture(n), &more)
    });
    let called = || {
        let called = fs::read_to_string(&calls).unwrap();
        let called: Vec<_> = called.lines().map(|line| line[line.len() - 5..].to_owned()).collect();
        fs::remove_file(&calls).unwrap();
        called
    };
    let ids = |stage: &Stage, kind: &str, field: &str| -> Vec<Value> {
        stage.of_type(kind).iter().map(|event| event[field].clone()).collect()
    };
    let mut first = recognise(folder.path(), folder.path(), &frames);
    assert!(first.finish().success());
    assert_eq!(ids(&first, "frame", "id"), [1, 2, 3, 4, 5].map(|n| format!("F{n:06}")));
    assert_eq!(ids(&first, "text", "id"), ["F000001", "F000005"]);
    assert_eq!(
        ids(&first, "error", "path"),
        [2, 3].map(|n| picture(n).to_str().unwrap().to_owned())
    );
    let expected = json!([{"x": 10, "y": 20, "width": 30, "height": 40, "text": "Words"}]);
    let text = first.of_type("text")[0];
    assert_eq!((&text["text"], &text["boxes"]), (&"Words".into(), &expected));
    assert_eq!(called(), ["1.jpg", "2.jpg", "3.jpg", "5.jpg"]);
    // Started again: the index has the others. A frame that was made anew is another picture.
    let anew = frame(5, &picture(5), &json!({"hash": "f".repeat(64)}));
    let again: Vec<_> = frames.iter().cloned().chain([anew]).collect();
    assert!(recognise(folder.path(), folder.path(), &again).finish().success());
    assert_eq!(called(), ["2.jpg", "3.jpg", "5.jpg"]);
}

#[test]
fn ocr_finds_the_words_of_a_picture() {
    if !is_installed("tesseract") || !is_installed("python3") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("F000001.jpg");
    let words = "drawtext=text='Quarterly results':fontsize=64:x=80:y=100";
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-f", "lavfi", "-i", "color=white:s=1280x720", "-vf", words])
        .args(["-frames:v", "1"])
        .arg(&picture)
        .status();
    assert!(made.unwrap().success());
    let mut stage = recognise(folder.path(), folder.path(), &[frame(1, &picture, &json!({}))]);
    assert!(stage.finish().success());
    assert_eq!(stage.of_type("text")[0]["text"], "Quarterly results");
    let journal = fs::read_to_string(folder.path().join("index.ndjson")).unwrap();
    assert!(journal.lines().nth(1).unwrap().contains(r#""type":"text""#), "{journal}");
}
