//! cht runs the other tools as a person asks for them, and says what there is.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use cht_core::process::signals::handles_interrupt;
use cht_tests::{
    QUICK, Stage, TOOLS, at_terminal, bin, make_fifo, make_script, path_with_binaries, send, tool,
    words,
};
use serde_json::Value;

/// Returns a command that ends with all of its stages if it hangs.
fn cht(folder: &Path, line: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "120"]).arg(bin("cht")).args(words(line)).current_dir(folder);
    command.env_remove("CHT_SESSIONS").env_remove("CHT_SESSION").env("CHT_CACHE", "none");
    command
}

/// Returns the process id of the front itself.
fn front(running: &Stage) -> String {
    let parent = running.child.id().to_string();
    let output = Command::new("pgrep").args(["-P", &parent, "-x", "cht"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn run(folder: &Path, line: &str) -> Output {
    cht(folder, line).output().unwrap()
}

/// Runs it without an error, and returns its stdout.
fn succeed(folder: &Path, line: &str) -> String {
    let output = run(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a clip with a cut at 1 s.
fn clip(path: &Path) {
    let scenes = [("testsrc2=s=320x240:r=25", 1.0), ("smptebars=s=320x240:r=25", 1.0)];
    cht_tests::generate(path, &scenes, &format!("{QUICK} -pix_fmt yuv420p"));
}

/// Copies a clip into a file of another container.
fn copy(from: &Path, to: &Path) {
    let arguments =
        ["-i".as_ref(), from.as_os_str(), "-c".as_ref(), "copy".as_ref(), to.as_os_str()];
    cht_tests::ffmpeg(arguments.map(ToOwned::to_owned));
}

/// Returns id, time and hash of each frame in the index of a session.
fn frames(session: &Path) -> Vec<[Value; 3]> {
    let index = fs::read(session.join("frames/index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_slice(&index).unwrap();
    index.iter().map(|it| ["id", "timestamp", "hash"].map(|key| it[key].clone())).collect()
}

#[test]
fn file_of_any_container_becomes_a_session() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(&folder.join("old.ts"));
    for name in ["talk.mp4", "my talk.mkv"] {
        copy(&folder.join("old.ts"), &folder.join(name));
    }
    let output = cht(folder, "file old.ts talk.mp4").arg("my talk.mkv").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(lines.lines().all(|line| line.starts_with(r#"{"v":1,"#)), "NDJSON in a pipe: {lines}");
    for name in ["old", "talk", "my talk"] {
        let session = folder.join("sessions").join(name);
        let times: Vec<_> = frames(&session).iter().map(|it| it[1].as_f64().unwrap()).collect();
        assert_eq!(times, [0.0, 1.0], "{name}");
        assert!(session.join("contact-sheet.jpg").exists(), "{name}");
    }
    // Segments are read where they lie, as often as one likes; a recording is made once.
    assert!(run(folder, "file old.ts").status.success());
    assert_eq!(frames(&folder.join("sessions/old")).len(), 2);
    let sheet = folder.join("sessions/talk/contact-sheet.jpg");
    let written = format!("cht-export: {}: written\n", sheet.display());
    let again = run(folder, "file talk.mp4");
    // A log is read from anywhere.
    assert!(String::from_utf8_lossy(&again.stderr).contains(&written), "{written}");
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert_eq!(frames(&folder.join("sessions/talk")).len(), 2, "it goes on, and all is done");
}

#[test]
fn printed_pipeline_does_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(&folder.join("it's.ts"));
    let output = cht(folder, "file --print --out printed").arg("it's.ts").output().unwrap();
    assert!(output.status.success() && !folder.join("printed").exists());
    let script = String::from_utf8(output.stdout).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]).env("PATH", path_with_binaries()).env("CHT_CACHE", "none");
    let printed = shell.current_dir(folder).output().unwrap();
    let by_cht = cht(folder, "file --out run").arg("it's.ts").output().unwrap();
    assert!(printed.status.success() && by_cht.status.success(), "{script}");
    let both = ["printed", "run"].map(|name| frames(&folder.join(name)));
    assert_eq!(both[0], both[1]);
    assert_eq!(both[0].len(), 2);
}

#[test]
fn live_stream_is_drained_at_a_signal() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let line = "live --listen tcp://127.0.0.1:0 --segment-time 0 --detect scene";
        let mut live = Stage::start(&mut cht(folder.path(), line));
        let listening = live.wait_for("listening");
        clip(&folder.path().join("clip.ts"));
        let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
        send(address, &fs::read(folder.path().join("clip.ts")).unwrap());
        live.wait_for("frame");
        let sent = Command::new("kill").args([&format!("-{signal}"), &front(&live)]).status();
        assert!(sent.unwrap().success());
        assert!(live.finish().success(), "{signal}");
        assert_eq!(live.of_type("frame").len(), 2, "{signal}");
        assert_eq!(frames(&live.session()).len(), 2, "{signal}");
    }
}

#[test]
fn ctrl_c_in_a_terminal_drains_the_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let line = "trap : INT; cht live --listen tcp://127.0.0.1:0; echo \"exit status $?\"";
    let mut script = at_terminal(line);
    script.env_remove("CHT_SESSION").env_remove("CHT_SESSIONS");
    script.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut script = script.spawn().unwrap();
    let mut keyboard = script.stdin.take().unwrap();
    let mut screen = BufReader::new(script.stdout.take().unwrap());
    let mut shown = String::new();
    while !shown.contains("listening on tcp://") {
        assert_ne!(screen.read_line(&mut shown).unwrap(), 0, "{shown}");
    }
    keyboard.write_all(b"\x03").unwrap();
    screen.read_to_string(&mut shown).unwrap();
    script.wait().unwrap();
    assert!(shown.contains("exit status 0"), "{shown}");
    assert!(!shown.contains("cht show"), "nothing was recorded: {shown}");
}

/// Makes a folder with cht, whose cht-index waits for a line from a FIFO before it starts. Returns
/// both.
fn held_index(folder: &Path) -> (PathBuf, PathBuf) {
    let [programs, hold] = ["programs", "hold"].map(|name| folder.join(name));
    fs::create_dir(&programs).unwrap();
    fs::copy(bin("cht"), programs.join("cht")).unwrap();
    make_fifo(&hold);
    // Its trial, before, reads no pipe. A shell would handle SIGINT.
    let wait = format!("if (-p STDIN) {{ open(my $hold, '<', '{}'); <$hold> }}", hold.display());
    let index = format!("#!/usr/bin/perl\n{wait}\nexec('cht-index', @ARGV);\n");
    make_script(&programs.join("cht-index"), &index);
    (programs, hold)
}

#[test]
fn recording_begins_when_ctrl_c_spares_the_other_stages() {
    let folder = tempfile::tempdir().unwrap();
    let (programs, hold) = held_index(folder.path());
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "120"]).arg(programs.join("cht"));
    command.args(words("live --listen tcp://127.0.0.1:0")).current_dir(folder.path());
    command.env("PATH", path_with_binaries()).env_remove("CHT_SESSIONS").process_group(0);
    let mut live = Stage::start(&mut command);
    // Opens when the stage opens it for reading.
    let mut go = fs::OpenOptions::new().write(true).open(&hold).unwrap();
    let stage = |name: &str| {
        let arguments = ["-x", "-P", &front(&live), name];
        let output = Command::new("pgrep").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().ok()
    };
    // It is the last one before the source.
    while !stage("cht-segwatch").is_some_and(handles_interrupt) {}
    assert_eq!(stage("cht-recv"), None);
    go.write_all(b"go\n").unwrap();
    live.wait_for("listening");
    let group = format!("-{}", live.child.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    assert!(live.finish().success());
}

#[test]
fn ctrl_c_says_how_many_inputs_are_left() {
    let folder = tempfile::tempdir().unwrap();
    let (programs, hold) = held_index(folder.path());
    clip(&folder.path().join("clip.ts"));
    for name in ["one.mkv", "two.mkv"] {
        copy(&folder.path().join("clip.ts"), &folder.path().join(name));
    }
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "120"]).arg(programs.join("cht"));
    command.args(words("file one.mkv two.mkv")).current_dir(folder.path());
    command.env("PATH", path_with_binaries()).env_remove("CHT_SESSIONS").process_group(0);
    let file = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Opens when the first input is at work.
    let _go = fs::OpenOptions::new().write(true).open(&hold).unwrap();
    let group = format!("-{}", file.id());
    assert!(Command::new("kill").args(["-INT", "--", &group]).status().unwrap().success());
    let output = file.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("stopped: 2 of 2 inputs left"), "{said}");
    assert_eq!(output.status.code(), Some(2), "{said}");
}

#[test]
fn closed_terminal_ends_a_recording_as_ctrl_c_does() {
    let folder = tempfile::tempdir().unwrap();
    let line = "live --listen tcp://127.0.0.1:0 --detect scene";
    let mut live = Stage::start(cht(folder.path(), line).process_group(0));
    let listening = live.wait_for("listening");
    clip(&folder.path().join("clip.ts"));
    let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
    send(address, &fs::read(folder.path().join("clip.ts")).unwrap());
    live.wait_for("frame");
    let group = format!("-{}", live.child.id());
    assert!(Command::new("kill").args(["-HUP", "--", &group]).status().unwrap().success());
    assert!(live.finish().success());
    assert_eq!(frames(&live.session()).len(), 2);
    assert!(!live.session().join("stream/open.json").exists());
}

#[test]
fn closed_terminal_that_runs_nothing_else_ends_a_recording() {
    let folder = tempfile::tempdir().unwrap();
    // It is the first process of its session, and gets the signal alone.
    let program = path_with_binaries();
    let program = std::env::split_paths(&program).map(|it| it.join("cht")).find(|it| it.exists());
    let mut leader = Command::new("setsid");
    leader.arg("--wait").arg(program.unwrap()).args(words("live --listen tcp://127.0.0.1:0"));
    leader.env_remove("CHT_SESSIONS").current_dir(folder.path());
    let mut live = Stage::start(&mut leader);
    live.wait_for("listening");
    live.signal("HUP");
    assert!(live.finish().success());
}

#[test]
fn file_that_was_copied_in_part_is_copied_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(&folder.join("talk.ts"));
    copy(&folder.join("talk.ts"), &folder.join("talk.mkv"));
    succeed(folder, "file talk.mkv");
    let session = folder.join("sessions/talk");
    let whole = fs::read(session.join("stream/segment_000001.ts")).unwrap();
    // As a run leaves it that was killed while it copied.
    let note = fs::read_to_string(session.join("input.json")).unwrap();
    fs::write(session.join("input.json"), note.replace("true", "false")).unwrap();
    fs::write(session.join("stream/segment_000001.ts"), &whole[..188 * 20]).unwrap();
    let shown = succeed(folder, "show talk");
    assert!(shown.contains("\na part of   /") && shown.contains("talk.mkv;"), "{shown}");
    succeed(folder, "file talk.mkv");
    assert_eq!(fs::read(session.join("stream/segment_000001.ts")).unwrap(), whole);
    assert_eq!(frames(&session).len(), 2);
    assert!(!succeed(folder, "show talk").contains("a part of"));
}

#[test]
fn recordings_of_one_name_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["cam1", "cam2"] {
        fs::create_dir(folder.join(name)).unwrap();
        clip(&folder.join(name).join("000.ts"));
    }
    succeed(folder, "file cam1/000.ts");
    let refused = run(folder, "file cam2/000.ts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("/cam1/000.ts, and this is /"), "{said}");
    assert_eq!(frames(&folder.join("sessions/000")).len(), 2);
    succeed(folder, "file cam2/000.ts --out other");
}

#[test]
fn other_options_find_the_pictures_anew_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(&folder.join("talk.ts"));
    succeed(folder, "file talk.ts");
    let session = folder.join("sessions/talk");
    assert_eq!(frames(&session).len(), 2);
    let other = "file talk.ts --detect scene --max-interval 0.5";
    let refused = run(folder, other);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("--overwrite"), "{said}");
    assert_eq!(frames(&session).len(), 2);
    succeed(folder, &format!("{other} --overwrite"));
    assert!(frames(&session).len() > 2);
    succeed(folder, other);
}

#[test]
fn list_that_only_grows_goes_on_and_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["1", "2", "3"] {
        clip(&folder.join(format!("{name}.ts")));
    }
    let times = |session: &str| {
        let frames = frames(&folder.join(session));
        frames.iter().map(|it| it[1].as_f64().unwrap()).collect::<Vec<_>>()
    };
    succeed(folder, "file 2.ts 3.ts --out whole");
    succeed(folder, "file 2.ts --out parts");
    succeed(folder, "file 2.ts 3.ts --out parts --jobs 2");
    assert_eq!(times("whole")[..3], [0.0, 1.0, 2.0]);
    assert_eq!(times("parts"), times("whole"));
    for (line, was, is) in [("1.ts 2.ts 3.ts", "2.ts", "1.ts"), ("3.ts", "2.ts", "3.ts")] {
        let refused = run(folder, &format!("file {line} --out parts"));
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.starts_with("cht: error: parts: was made from "), "{said}");
        let both = [was, is].map(|it| format!("/{it}"));
        assert!(both.iter().all(|it| said.contains(it)) && said.contains("--out"), "{said}");
    }
    assert_eq!(times("parts"), times("whole"));
}

#[test]
fn killed_run_is_waited_for_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(&folder.join("a.ts"));
    copy(&folder.join("a.ts"), &folder.join("a.mp4"));
    // The stage outlives its front until it is let go.
    let (programs, hold) = held_index(folder);
    let mut killed = Command::new(programs.join("cht"));
    killed.args(["file", "a.mp4"]).current_dir(folder).env("PATH", path_with_binaries());
    killed.env_remove("CHT_SESSIONS").stdout(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    // Opens when the stage opens it for reading.
    let mut go = fs::OpenOptions::new().write(true).open(&hold).unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut again = cht(folder, "file a.mp4");
    let mut again = again.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(again.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "cht: sessions/a: waits for the stages of another cht file\n");
    go.write_all(b"go\n").unwrap();
    assert!(again.wait().unwrap().success(), "{:?}", said.lines().collect::<Vec<_>>());
    assert_eq!(frames(&folder.join("sessions/a")).len(), 2);
}

#[test]
fn truncated_file_is_a_warning_and_a_file_without_pictures_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clip(&folder.join("whole.ts"));
    copy(&folder.join("whole.ts"), &folder.join("whole.mkv"));
    let whole = fs::read(folder.join("whole.mkv")).unwrap();
    fs::write(folder.join("cut.mkv"), &whole[..whole.len() * 9 / 10]).unwrap();
    let output = run(folder, "file cut.mkv");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cut.mkv: it ends too early: "), "{said}");
    // Its index would be at its end.
    copy(&folder.join("whole.ts"), &folder.join("whole.mp4"));
    let whole = fs::read(folder.join("whole.mp4")).unwrap();
    fs::write(folder.join("bad.mp4"), &whole[..whole.len() / 2]).unwrap();
    let output = run(folder, "file bad.mp4 whole.mkv");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let mut bad = said.lines().filter(|line| line.contains("bad.mp4") && !line.contains("reading"));
    assert!(bad.next().unwrap().starts_with("cht-recv: error: bad.mp4: ffmpeg ended"), "{said}");
    assert!(bad.next().is_none() && said.contains("; nothing was taken of it: "), "{said}");
    assert!(!said.contains("sender") && !said.contains("cht-export: error"), "{said}");
    assert!(!folder.join("sessions/bad").exists());
    assert_eq!(frames(&folder.join("sessions/whole")).len(), 2);
    let sound = ["-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac"].map(Into::into);
    cht_tests::ffmpeg(sound.into_iter().chain([folder.join("sound.mp4").into_os_string()]));
    let output = run(folder, "file sound.mp4");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--audio") && !said.contains("cht-export"), "{said}");
    for (status, says) in [(1, "no picture in it; 1 warning\n"), (0, "no picture in it\n")] {
        let output = run(folder, "file sound.mp4 --audio -v --out a");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(&format!("cht-scenes: {says}")), "{said}");
        assert!(!said.contains("cht-export"), "{said}");
    }
}

#[test]
fn refused_option_starts_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    clip(&folder.path().join("a.mp4"));
    fs::copy(folder.path().join("a.mp4"), folder.path().join("b.mp4")).unwrap();
    for line in ["live --max-frames many", "file a.mp4 b.mp4 --max-frames many"] {
        let output = run(folder.path(), line);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(said.matches("cht-scenes does not start: ").count(), 1, "{said}");
        assert!(said.contains("--max-frames"), "{said}");
        assert!(!folder.path().join("sessions").exists(), "{line}");
    }
}

#[test]
fn dead_stage_leaves_the_recording_and_a_bad_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    let line = "live --listen tcp://127.0.0.1:0 --once";
    let mut live = Stage::start(cht(folder.path(), line).stderr(Stdio::piped()));
    let listening = live.wait_for("listening");
    let killed = Command::new("pkill").args(["-KILL", "-P", &front(&live), "cht-scenes"]).status();
    assert!(killed.unwrap().success());
    let address = listening["address"].as_str().unwrap().strip_prefix("tcp://").unwrap();
    send(address, &[0x47; 188]);
    assert_eq!(live.finish().code(), Some(2));
    let said = live.stderr().collect::<Vec<_>>().join("\n");
    assert!(said.contains("cht-recv goes on without it"), "{said}");
    let session = live.session();
    assert_eq!(fs::read(session.join("stream/segment_000001.ts")).unwrap(), [0x47; 188]);
}

#[test]
fn sessions_are_listed_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(run(folder, "sessions").status.code(), Some(2));
    clip(&folder.join("call.ts"));
    let bytes = fs::read(folder.join("call.ts")).unwrap();
    let mut record = tool("cht-recv");
    record.args(["--listen", "-", "--once", "--session-id", "call"]).current_dir(folder);
    let mut record = record.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    record.stdin.take().unwrap().write_all(&bytes).unwrap();
    assert!(record.wait().unwrap().success());
    succeed(folder, "file sessions/call");

    let listed: Value = serde_json::from_str(&succeed(folder, "sessions --json")).unwrap();
    assert_eq!((&listed["id"], &listed["live"]), (&"call".into(), &false.into()));
    assert_eq!((&listed["bytes"], &listed["frames"]), (&bytes.len().into(), &2.into()));
    let table = succeed(folder, "sessions");
    assert!(table.lines().nth(1).unwrap().starts_with("call  "), "{table}");
    for named in ["show", "show call", "show sessions/call"] {
        let shown = succeed(folder, named);
        assert!(shown.contains("\nframes      2\n"), "{shown}");
        assert!(shown.contains("sessions/call/frames/F000002.jpg\n"), "{shown}");
        assert!(shown.ends_with("sessions/call/contact-sheet.jpg\n"), "{shown}");
    }

    // The newest frame of loose segments tells no length.
    fs::rename(folder.join("call.ts"), folder.join("loose.ts")).unwrap();
    succeed(folder, "file loose.ts");
    let table = succeed(folder, "sessions");
    let loose = table.lines().find(|line| line.starts_with("loose ")).unwrap();
    assert_eq!(loose.split_whitespace().collect::<Vec<_>>(), ["loose", "-", "-", "-", "2"]);
}

#[test]
fn doctor_names_a_need_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "doctor --ffmpeg /nonexistent/ffmpeg");
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("\nMISSING  ffmpeg       /nonexistent/ffmpeg: "), "{said}");
    assert!(said.contains("\nok       disk         "), "{said}");
    let tools = format!("ok       tools        all {} are there\n", TOOLS.len() - 1);
    assert!(said.starts_with(&tools), "{said}");
    assert_ne!(run(folder.path(), "doctor").status.code(), Some(2));
}

#[test]
fn help_of_a_tool_is_that_of_the_tool() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = cht(folder.path(), "help scenes");
    // Without man.
    let only = folder.path().join("bin");
    fs::create_dir(&only).unwrap();
    let timeout = Command::new("sh").args(["-c", "command -v timeout"]).output().unwrap();
    let timeout = String::from_utf8(timeout.stdout).unwrap();
    std::os::unix::fs::symlink(timeout.trim(), only.join("timeout")).unwrap();
    let output = command.env("PATH", &only).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && help.contains("Usage: cht-scenes"), "{help}");
    let overview = succeed(folder.path(), "help");
    for tool in TOOLS {
        assert!(overview.contains(&format!("\n  {tool} ")), "{tool}");
    }
    assert_eq!(run(folder.path(), "help nonsense").status.code(), Some(2));
}
