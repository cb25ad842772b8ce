//! cht-scenes and its pipeline give the result of one run when stopped or killed anywhere and run
//! again.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Lines, Write as _},
    net::TcpStream,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use cht_core::terminal::units::count;
use cht_tests::{
    Pipeline, QUICK, Stage, at_terminal, examined, ffmpeg, generated, held_decoder, line, pictures,
    recorder, scenes, tool, words,
};
use serde_json::Value;

/// Generates shots in segments of two seconds, with dissolves and fades across and next to their
/// boundaries.
fn dissolves(folder: &Path) -> Vec<PathBuf> {
    encoded_dissolves(folder, "")
}

/// Generates the same shots with further options of the encoder.
fn encoded_dissolves(folder: &Path, options: &str) -> Vec<PathBuf> {
    let sources = "testsrc2 mandelbrot smptehdbars gradients rgbtestsrc testsrc pal75bars";
    let fades = [(1.55, 0.5), (3.75, 0.5), (5.9, 0.8), (7.35, 0.5), (9.85, 0.5), (11.6, 0.5)];
    let (mut arguments, mut graph) = (Vec::new(), String::new());
    for (n, source) in sources.split(' ').enumerate() {
        let source = format!("{source}=s=320x180:r=25");
        arguments.extend(["-f", "lavfi", "-t", "4", "-i"].map(str::to_owned));
        arguments.push(source);
        write!(graph, "[{n}:v]setsar=1,format=yuv420p,settb=1/25[v{n}];").unwrap();
    }
    let mut before = "v0".to_owned();
    for (n, (offset, duration)) in fades.into_iter().enumerate() {
        let kind = if duration > 0.5 { "fadeblack" } else { "fade" };
        let (next, out) = (n + 1, format!("x{n}"));
        write!(
            graph,
            "[{before}][v{next}]xfade=transition={kind}:duration={duration}:offset={offset}[{out}];"
        )
        .unwrap();
        before = out;
    }
    write!(graph, "[{before}]null[v]").unwrap();
    arguments.extend(["-filter_complex", &graph].map(str::to_owned));
    let encoder = "-map [v] -t 14 -c:v libx264 -preset ultrafast -g 50 -keyint_min 50 \
                   -sc_threshold 0 -bf 2 -f segment -segment_time 2";
    arguments.extend(words(encoder).into_iter().map(str::to_owned));
    arguments.extend(words(options).into_iter().map(str::to_owned));
    arguments.push(folder.join("segment_%02d.ts").to_str().unwrap().to_owned());
    ffmpeg(&arguments);
    let paths: Vec<_> = (0..7).map(|n| folder.join(format!("segment_{n:02}.ts"))).collect();
    assert!(paths.iter().all(|path| path.exists()));
    paths
}

/// Starts cht-scenes over paths, to the end of its input.
fn start(paths: &[PathBuf], out: &Path, options: &str) -> Stage {
    scenes(paths, out, &format!("--stats-interval 0 {options}"))
}

/// Returns the sorted events of frames and segments: a frame may come before the segment before it
/// is done.
fn said(stage: &Stage, out: &Path) -> Vec<String> {
    let kinds = ["frame", "segment_done", "error"];
    let events =
        stage.events.iter().filter(|event| kinds.iter().any(|kind| event["type"] == *kind));
    let out = out.to_str().unwrap();
    let mut said: Vec<_> = events.map(|event| event.to_string().replace(out, "OUT")).collect();
    said.sort();
    said
}

fn run(paths: &[PathBuf], out: &Path, options: &str) -> Vec<String> {
    let mut stage = start(paths, out, options);
    assert!(stage.finish().success(), "{options}");
    in_order(&stage);
    said(&stage, out)
}

/// Checks that `segment_done` comes after the frames of its segment, and counts them.
fn in_order(stage: &Stage) {
    let mut done: Vec<&Value> = Vec::new();
    for event in &stage.events {
        if event["type"] == "segment_done" {
            let frames = stage.of_type("frame");
            let count = frames.iter().filter(|frame| frame["segment"] == event["path"]).count();
            assert_eq!(event["events"], count, "{event}: {:#?}", stage.events);
            done.push(&event["path"]);
        }
        assert!(event["type"] != "frame" || !done.contains(&&event["segment"]), "{event}");
    }
}

/// Runs the stage with ever more input, so that it stops at each boundary.
fn check_stops(options: &str) {
    let folder = tempfile::tempdir().unwrap();
    let paths = dissolves(folder.path());
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let expected = run(&paths, &whole, options);
    for count in 1..paths.len() {
        run(&paths[..count], &stopped, options);
    }
    assert_eq!(run(&paths, &stopped, options), expected, "{options}");
    assert_eq!(run(&paths, &stopped, options), expected, "{options}: once more");
    assert!(pictures(&stopped) == pictures(&whole), "{options}");
}

/// Runs the stage over a list that names a segment when the one before it is done.
fn check_pauses(options: &str) {
    let folder = tempfile::tempdir().unwrap();
    let paths = dissolves(folder.path());
    let (whole, paused) = (folder.path().join("whole"), folder.path().join("paused"));
    let expected = run(&paths, &whole, options);
    let mut command = tool("cht-scenes");
    command.args(["--stats-interval", "0", "--out"]).arg(&paused).args(words(options));
    let mut stage = Stage::start(command.stdin(Stdio::piped()));
    let mut list = stage.child.stdin.take().unwrap();
    for path in &paths {
        writeln!(list, "{}", path.display()).unwrap();
        while stage.wait_for("segment_done")["path"] != path.to_str().unwrap() {}
    }
    let before_end = stage.events.len();
    drop(list);
    assert!(stage.finish().success(), "{options}");
    assert_eq!(stage.events.len(), before_end, "{options}: all was given before");
    assert!(pictures(&paused) == pictures(&whole), "{options}");
    assert_eq!(run(&paths, &paused, options), expected, "{options}");
}

#[test]
fn list_that_pauses_after_each_segment_matches_one_run() {
    for detector in ["auto", "adaptive --max-interval 1.5 --min-gap 1", "scene,screen", "scene"] {
        check_pauses(&format!("--jobs 1 --detect {detector}"));
    }
    check_pauses("--jobs 1 --detect auto --decode fast");
    check_pauses("--jobs 1 --detect auto --decode keyframes --max-interval 1.5");
    check_pauses("--jobs 2 --detect auto");
    check_pauses("--jobs auto --detect auto");
}

#[test]
fn auto_stopped_within_dissolves_matches_one_run() {
    check_stops("--detect auto");
}

#[test]
fn adaptive_stopped_within_dissolves_matches_one_run() {
    check_stops("--detect adaptive --max-interval 1.5 --min-gap 1");
}

#[test]
fn screen_and_scene_stopped_within_dissolves_match_one_run() {
    check_stops("--detect scene,screen");
    check_stops("--detect scene");
}

#[test]
fn keyframes_stopped_at_boundaries_give_each_interval_once() {
    check_stops("--detect auto --decode keyframes --max-interval 1.5");
}

/// Runs a list of segments that is interrupted while the first ones are decoded, and runs it again.
fn check_interrupt(options: &str) {
    let folder = tempfile::tempdir().unwrap();
    // More than the pipe to a decoder holds (1 MiB): the last segments wait while it is held.
    let paths = encoded_dissolves(folder.path(), "-qp 8");
    let sizes = paths.iter().map(|path| path.metadata().unwrap().len());
    assert!(sizes.take(paths.len() - 1).sum::<u64>() > 3 << 19);
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let expected = run(&paths, &whole, options);

    let (mut stage, stdin, hold) = held(&paths, folder.path(), &stopped, options);
    let mut messages = stage.stderr();
    // It stays open: the stage has to end all the same.
    let mut stdin = Some(stdin);
    if options.contains("--jobs") {
        // They begin with all of so short a list.
        stdin = None;
    }
    while stage.of_type("segment").len() < paths.len() {
        stage.wait_for("segment");
    }
    // A FIFO opens for writing when a decoder has opened it.
    let mut hold = fs::File::options().write(true).open(hold).unwrap();
    stage.signal("INT");
    let mut message = || messages.next().unwrap();
    let finishing = message();
    let name = finishing.strip_prefix("cht-scenes: finishing up to ").unwrap();
    let name = name.strip_suffix("; Ctrl-C again stops at once").unwrap();
    let number = paths.iter().position(|path| path.ends_with(name)).unwrap();
    let (done, left) = (number + 1, paths.len() - number - 1);
    assert!(left > 0, "{finishing}");
    hold.write_all(&b"go\n".repeat(100)).unwrap();
    assert_eq!(stage.finish().code(), Some(2), "{options}");
    let said_left = format!(
        "cht-scenes: error: stopped by Ctrl-C with {} left; \
         the same command goes on with them, without --overwrite",
        count(left as u64, "segment")
    );
    assert_eq!(message(), said_left, "{options}");
    drop(stdin);
    assert_eq!(stage.of_type("segment_done").len(), done, "{options}");
    assert_eq!(run(&paths, &stopped, options), expected, "{options}");
    assert!(pictures(&stopped) == pictures(&whole), "{options}");
}

/// Starts cht-scenes over paths with a decoder that waits for a line in a FIFO; returns it, its
/// stdin, which is open, and the FIFO.
fn held(
    paths: &[PathBuf],
    folder: &Path,
    out: &Path,
    options: &str,
) -> (Stage, ChildStdin, PathBuf) {
    let mut watch = Stage::start(tool("cht-segwatch").args(paths));
    assert!(watch.finish().success());
    let (stub, hold) = held_decoder(folder);
    let mut command = tool("cht-scenes");
    command.args(["--stats-interval", "0", "--ffmpeg"]).arg(stub).arg("--out").arg(out);
    command.args(words(options)).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut stage = Stage::start(&mut command);
    let mut stdin = stage.child.stdin.take().unwrap();
    for event in &watch.events {
        writeln!(stdin, "{}", line(event)).unwrap();
    }
    (stage, stdin, hold)
}

/// Interrupts a stage whose decoder has taken all segments announced so far; the source of the list
/// then goes on as `source` says. Returns the exit status, and the last message.
fn interrupt_after_all_is_fed(
    source: impl FnOnce(ChildStdin) -> Option<ChildStdin>,
) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("only.ts"), folder.path().join("out"));
    fs::write(&path, generated(&[("testsrc2=s=320x240:r=25", 1.0)], QUICK)).unwrap();
    let (mut stage, stdin, hold) = held(&[path], folder.path(), &out, "");
    let mut messages = stage.stderr();
    stage.wait_for("segment");
    let mut hold = fs::File::options().write(true).open(hold).unwrap();
    stage.signal("INT");
    let finishing = "cht-scenes: finishing up to only.ts; Ctrl-C again stops at once";
    assert_eq!(messages.next().unwrap(), finishing);
    let stdin = source(stdin);
    hold.write_all(&b"go\n".repeat(100)).unwrap();
    let status = stage.finish().code().unwrap();
    drop(stdin);
    assert_eq!(stage.of_type("segment_done").len(), 1);
    assert!(!stage.of_type("frame").is_empty());
    (status, messages.next().unwrap_or_default())
}

#[test]
fn interrupted_list_whose_source_stays_ends_after_announced_segments() {
    let (status, message) = interrupt_after_all_is_fed(Some);
    let expected = "cht-scenes: error: stopped by Ctrl-C before the end of its input; \
                    the same command goes on, without --overwrite";
    assert_eq!((status, message.as_str()), (2, expected));
}

#[test]
fn interrupted_list_whose_source_ends_is_complete() {
    let (status, message) = interrupt_after_all_is_fed(|stdin| {
        drop(stdin);
        None
    });
    assert_eq!((status, message.as_str()), (0, ""));
}

#[test]
fn interrupted_list_ends_with_current_segment_and_is_continued() {
    check_interrupt("--detect auto");
}

#[test]
fn interrupted_jobs_end_with_segment_whose_frames_come() {
    check_interrupt("--detect auto --jobs 3");
}

#[test]
fn list_ended_by_sigterm_is_continued() {
    let folder = tempfile::tempdir().unwrap();
    let paths = dissolves(folder.path());
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let expected = run(&paths, &whole, "");
    let mut stage = start(&paths, &stopped, "");
    stage.wait_for("segment_done");
    stage.signal("TERM");
    assert_eq!(stage.finish().signal(), Some(15));
    assert_eq!(run(&paths, &stopped, ""), expected);
    assert!(pictures(&stopped) == pictures(&whole));
}

/// Runs a command in a terminal; what comes out is read line by line, and keys are written.
fn in_terminal(command: &str) -> (Child, ChildStdin, Lines<BufReader<ChildStdout>>) {
    let mut terminal = at_terminal(command);
    terminal.env_remove("CHT_SESSION").env("CHT_CACHE", "none");
    let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (keys, lines) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, keys, BufReader::new(lines).lines())
}

fn check_ctrl_c_in_a_terminal(options: &str) {
    let folder = tempfile::tempdir().unwrap();
    let sessions = folder.path().join("sessions");
    let session = record(&sessions, &stream());
    fs::rename(&session, sessions.join("a")).unwrap();
    record(&sessions, &stream());
    let (stub, hold) = held_decoder(folder.path());
    // The events are awaited: a terminal alone would be given a table.
    let pipeline = |name: &str, options: &str| {
        let session = sessions.join(name).display().to_string();
        let stages = format!("cht-segwatch {session} | cht-scenes {options} | cht-index");
        format!("bash -o pipefail -c \"trap : INT; {stages} | (trap '' INT; cat)\"")
    };
    let held = pipeline("live", &format!("{options} --ffmpeg '{}'", stub.display()));
    let (mut terminal, mut keys, mut lines) = in_terminal(&held);
    let mut seen = Vec::new();
    let mut next = |wanted: &str| loop {
        let Some(line) = lines.next() else { panic!("no {wanted:?} in {seen:#?}") };
        let line = line.unwrap();
        if line.contains(wanted) {
            return line;
        }
        seen.push(line);
    };
    // What several programs write to a terminal at once may be mixed within a line.
    next(&format!("segment_{:06}.ts", SHOTS.len()));
    let mut hold = fs::File::options().write(true).open(hold).unwrap();
    keys.write_all(b"\x03").unwrap();
    let finishing = next("finishing up to segment_00000");
    let (_, number) = finishing.split_once("segment_00000").unwrap();
    let left = SHOTS.len() - number[..1].parse::<usize>().unwrap();
    hold.write_all(&b"go\n".repeat(100)).unwrap();
    next(&format!("stopped by Ctrl-C with {} left", count(left as u64, "segment")));
    assert_eq!(terminal.wait().unwrap().code(), Some(2));

    for name in ["a", "live"] {
        let (mut terminal, _keys, lines) = in_terminal(&pipeline(name, options));
        assert!(lines.count() > 0 && terminal.wait().unwrap().success());
        let (session, whole) = (sessions.join(name), folder.path().join(name));
        let mut paths: Vec<_> =
            (1..=SHOTS.len()).map(|n| session.join(format!("stream/segment_{n:06}.ts"))).collect();
        paths.retain(|path| path.exists());
        run(&paths, &whole, options);
        assert!(pictures(&session.join("frames")) == pictures(&whole), "{name} {options}");
    }
}

#[test]
fn ctrl_c_stops_list_at_segment_and_it_is_continued() {
    check_ctrl_c_in_a_terminal("--detect auto");
    check_ctrl_c_in_a_terminal("--jobs 2");
}

/// Shots whose first segment is larger than the pipe to a decoder (1 MiB): while that is held,
/// later segments are not fed.
const SHOTS: [(&str, f64); 5] = [
    ("testsrc2=s=320x240:r=25,noise=alls=80:allf=t", 2.0),
    ("smptebars=s=320x240:r=25", 2.0),
    ("mandelbrot=s=320x240:r=25", 2.0),
    ("color=navy:s=320x240:r=25", 2.0),
    ("rgbtestsrc=s=320x240:r=25", 2.0),
];

/// Runs cht-scenes over these events, in the folders of their sessions.
fn decode(lines: &[String]) -> Stage {
    Stage::fed(tool("cht-scenes").args(["--detect", "auto", "--stats-interval", "0"]), lines)
}

/// Returns five shots of two seconds as one stream.
fn stream() -> Vec<u8> {
    generated(&SHOTS, QUICK)
}

/// Records a stream in segments of two seconds; the session's folder.
fn record(sessions: &Path, bytes: &[u8]) -> PathBuf {
    cht_tests::record(sessions, bytes, "--session-id live --segment-time 2").session()
}

fn listening(session: &Path) -> String {
    let session = session.to_str().unwrap();
    format!(r#"{{"v":1,"type":"listening","session":"{session}","address":"tcp://127.0.0.1:1"}}"#)
}

/// Returns the events and pictures of a run over all segments, which must find all of them in the
/// journal.
fn whole(session: &Path) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
    let journal = || fs::read(session.join("frames/scenes.ndjson")).unwrap();
    let before = journal();
    let mut stage = decode(&examined(session));
    assert!(stage.finish().success());
    in_order(&stage);
    assert!(journal() == before, "something was decoded again");
    (said(&stage, session), pictures(&session.join("frames")))
}

fn forget(session: &Path) {
    fs::remove_dir_all(session.join("frames")).unwrap();
    fs::create_dir(session.join("frames")).unwrap();
}

#[test]
fn unannounced_segments_are_decoded_first_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let session = record(folder.path(), &stream());
    let lines = examined(&session);
    assert!(lines.len() >= 4, "{lines:?}");
    assert!(decode(&lines).finish().success());
    let expected = whole(&session);
    let last = lines.last().unwrap().clone();
    // Stopped after `count` segments; then a recorder starts, or only the last segment is
    // announced.
    for (count, later) in [(0, listening(&session)), (2, listening(&session)), (1, last)] {
        forget(&session);
        assert!(decode(&lines[..count]).finish().success());
        assert!(decode(&[later]).finish().success());
        assert!(whole(&session) == expected, "stopped after {count}");
    }
    // Killed after `count` lines.
    for count in [1, 4, 6, 8] {
        forget(&session);
        let mut stage = decode(&lines);
        for _ in 0..count + lines.len() {
            stage.next_event().unwrap();
        }
        stage.kill();
        assert!(decode(&[listening(&session)]).finish().success());
        assert!(whole(&session) == expected, "killed after {count} lines");
    }
}

#[test]
fn segment_after_a_later_one_is_refused_and_removed_one_reported() {
    let folder = tempfile::tempdir().unwrap();
    let session = record(folder.path(), &stream());
    let lines = examined(&session);
    assert!(decode(&lines).finish().success());
    // As a run left it that knew nothing of the record.
    let journal = session.join("frames/scenes.ndjson");
    let text = fs::read_to_string(&journal).unwrap();
    let without = text.lines().filter(|line| {
        !line.starts_with("{\"checkpoint\"") || !line.contains("segment_000002.ts\",\"bytes")
    });
    let without = without.fold(String::new(), |text, line| text + line + "\n");
    assert_ne!(without, text);
    fs::write(&journal, &without).unwrap();
    let mut stage = decode(&lines);
    assert_eq!(stage.finish().code(), Some(1));
    let errors = stage.of_type("error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["code"], "out_of_order");
    assert_eq!(fs::read_to_string(&journal).unwrap(), without);
    // Retention has removed a segment that was not done.
    forget(&session);
    let record = session.join("stream/segments.ndjson");
    let mut text = fs::read_to_string(&record).unwrap();
    let removed = session.join("stream/segment_000001.ts");
    let (name, path) = (session.to_str().unwrap(), removed.to_str().unwrap());
    writeln!(
        text,
        r#"{{"v":1,"type":"deleted","session":"{name}","seq":1,"path":"{path}","bytes":1,"reason":"retain_bytes","at":"2026-11-23T06:24:31Z"}}"#
    )
    .unwrap();
    fs::write(&record, text).unwrap();
    fs::remove_file(&removed).unwrap();
    let mut stage = decode(&[listening(&session)]);
    assert_eq!(stage.finish().code(), Some(1));
    assert_eq!(stage.of_type("error")[0]["code"], "deleted");
    assert_eq!(stage.of_type("segment_done").len(), lines.len() - 1);
    assert_eq!(stage.of_type("segment_done")[0]["seq"], 2);
}

#[test]
fn pipeline_killed_before_decoding_matches_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream();
    // The stages after the recorder have not begun.
    let options = "--session-id live --segment-time 2";
    let (mut recv, address) = recorder(folder.path(), options);
    let mut sender = TcpStream::connect(address).unwrap();
    sender.write_all(&bytes).unwrap();
    for _ in 0..3 {
        recv.wait_for("segment_closed");
    }
    recv.kill();
    let scenes = "--detect auto --stats-interval 0";
    let mut pipeline = Pipeline::start(folder.path(), &format!("{options} --once"), scenes);
    pipeline.send(&bytes);
    pipeline.succeed();
    let index = pipeline.read_index();
    let live = whole(&pipeline.session);
    forget(&pipeline.session);
    assert!(decode(&examined(&pipeline.session)).finish().success());
    assert!(whole(&pipeline.session) == live);
    let frames = live.0.iter().filter(|line| line.contains("\"type\":\"frame\"")).count();
    assert_eq!(index.len(), frames);
    assert!(frames > 6, "{index:?}");
    let order: Vec<_> = index.iter().map(|item| item["timestamp"].as_f64().unwrap()).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn followed_segment_of_killed_recorder_is_done_once() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream();
    let options = "--session-id live --segment-time 30";
    let (mut recv, address) = recorder(folder.path(), options);
    let mut sender = TcpStream::connect(address).unwrap();
    sender.write_all(&bytes[..bytes.len() * 3 / 4]).unwrap();
    let open = recv.wait_for("segment_open");
    let mut scenes = Stage::start(
        tool("cht-scenes")
            .args(["--detect", "scene", "--stats-interval", "0"])
            .stdin(Stdio::piped()),
    );
    let mut stdin = scenes.child.stdin.take().unwrap();
    writeln!(stdin, "{}", line(&open)).unwrap();
    scenes.wait_for("frame");
    recv.kill();
    // What comes next in the queue is looked at when the segment is given up.
    writeln!(stdin, "{}/nowhere.ts", folder.path().display()).unwrap();
    scenes.wait_for("error");
    let (mut recv, _) = recorder(folder.path(), options);
    recv.terminate();
    let session = folder.path().join("live");
    for line in examined(&session) {
        writeln!(stdin, "{line}").unwrap();
    }
    drop(stdin);
    scenes.finish();
    assert_eq!(scenes.of_type("segment_done").len(), 1, "{:#?}", scenes.events);
    let ids = |events: &[&Value]| -> Vec<(String, i64)> {
        let frame = |e: &&Value| (e["id"].as_str().unwrap().into(), e["pts"].as_i64().unwrap());
        let mut ids: Vec<_> = events.iter().map(frame).collect();
        ids.sort();
        ids.dedup();
        ids
    };
    let found = ids(&scenes.of_type("frame"));
    forget(&session);
    let options = ["--detect", "scene", "--stats-interval", "0"];
    let mut once = Stage::fed(tool("cht-scenes").args(options), examined(&session));
    assert!(once.finish().success());
    assert_eq!(found, ids(&once.of_type("frame")));
}

#[test]
fn session_by_another_name_is_not_decoded_again() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream();
    let session = record(&folder.path().join("real"), &bytes[..bytes.len() / 2]);
    let first = examined(&session);
    assert!(decode(&first).finish().success());
    let journal = |session: &Path| fs::read(session.join("frames/scenes.ndjson")).unwrap();
    let before = journal(&session);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("real", &link).unwrap();
    let second = examined(&link.join("live"));
    assert!(decode(&second).finish().success());
    assert!(journal(&session) == before, "decoded again by the link");
    // Both names in one pipe, and nothing done before.
    forget(&session);
    let mut stage = decode(&[first, second].concat());
    assert!(stage.finish().success());
    let done = stage.of_type("segment_done").len();
    assert_eq!(done, examined(&session).len());
    let before = journal(&session);
    let moved = folder.path().join("moved");
    fs::rename(folder.path().join("real"), &moved).unwrap();
    assert!(decode(&examined(&moved.join("live"))).finish().success());
    assert!(journal(&moved.join("live")) == before, "decoded again where it was moved to");
}

/// Returns the relative paths in a file of a session.
fn relative_paths(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap();
    let value = |line: &str| serde_json::from_str::<Value>(line).unwrap();
    let fields = ["relative_path", "relative_segment"];
    let paths = text.lines().map(value).flat_map(|it| fields.map(|field| it[field].clone()));
    paths.filter_map(|path| Some(path.as_str()?.to_owned())).collect()
}

#[test]
fn moved_session_keeps_relative_paths_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = stream();
    let record = |name: &str, bytes: &[u8]| record(&folder.path().join(name), bytes);
    let index = |session: &Path| {
        let mut scenes = decode(&examined(session));
        assert!(scenes.finish().success());
        let mut index = Stage::fed(&mut tool("cht-index"), scenes.events.iter().map(line));
        assert!(index.finish().success());
        cht_tests::read_json(&session.join("frames/index.json"))
    };
    let before = index(&record("here", &bytes));
    fs::rename(folder.path().join("here"), folder.path().join("there")).unwrap();
    let session = folder.path().join("there/live");
    let check = |count: usize| {
        for name in ["stream/segments.ndjson", "frames/index.ndjson"] {
            let paths = relative_paths(&session.join(name));
            assert!(paths.len() >= count, "{name}: {paths:?}");
            assert!(paths.iter().all(|path| session.join(path).is_file()), "{name}: {paths:?}");
        }
    };
    check(before.len());
    let ids = |index: &[Value]| -> Vec<_> { index.iter().map(|it| it["id"].clone()).collect() };
    assert_eq!(ids(&index(&session)), ids(&before));
    let mut monitor = tool("cht-monitor");
    let shown = monitor.args(["--stdout", "--from", "start"]).arg(&session).output().unwrap();
    assert!(shown.status.success() && shown.stdout.len() >= bytes.len());
    // The recording goes on there.
    let after = index(&record("there", &bytes));
    assert_eq!(ids(&after)[..before.len()], ids(&before));
    assert!(after.len() > before.len());
    check(after.len());
}

#[test]
fn frames_missing_in_index_are_emitted_again() {
    let folder = tempfile::tempdir().unwrap();
    let session = record(folder.path(), &stream());
    assert!(decode(&examined(&session)).finish().success());
    let frames = |stage: &Stage| -> Vec<String> {
        stage.of_type("frame").iter().map(|frame| line(frame)).collect()
    };
    // The index has none of them, or the first.
    let mut again = decode(&[listening(&session)]);
    assert!(again.finish().success());
    in_order(&again);
    let all = frames(&again);
    assert!(all.len() >= 4, "{all:?}");
    fs::write(session.join("frames/index.ndjson"), all[0].clone() + "\n").unwrap();
    let mut rest = decode(&[listening(&session)]);
    assert!(rest.finish().success());
    assert_eq!(frames(&rest), all);
    // A session that is followed begins with a segment, here with the last one.
    fs::remove_file(session.join("frames/index.ndjson")).unwrap();
    let segments = examined(&session);
    let mut followed = decode(&segments[segments.len() - 1..]);
    assert!(followed.finish().success());
    assert_eq!(frames(&followed), all);
}

#[test]
fn frame_whose_picture_is_gone_is_reported_and_not_emitted() {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (folder.path().join("one.ts"), folder.path().join("frames"));
    let scenes = [("testsrc2=s=320x240:r=25", 1.0), ("smptebars=s=320x240:r=25", 1.0)];
    fs::write(&path, generated(&[scenes[0], scenes[1], scenes[0]], QUICK)).unwrap();
    let run = |options: &str| {
        let mut stage = start(std::slice::from_ref(&path), &out, options);
        let status = stage.finish().code();
        let ids: Vec<_> = stage.of_type("frame").iter().map(|it| it["id"].clone()).collect();
        let errors: Vec<_> = stage.of_type("error").iter().map(|it| it["code"].clone()).collect();
        (status, ids, errors)
    };
    let whole = run("--detect scene");
    assert_eq!((whole.0, whole.1.len()), (Some(0), 3));
    fs::remove_file(out.join("F000002.jpg")).unwrap();
    fs::write(out.join("F000003.jpg"), "short").unwrap();
    let missing = Value::from("missing");
    let rest = (Some(1), vec![whole.1[0].clone()], vec![missing.clone(), missing]);
    assert_eq!(run("--detect scene"), rest);
    assert_eq!(run("--detect scene --overwrite"), whole);
}
