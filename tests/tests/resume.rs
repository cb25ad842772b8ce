//! cht-scenes and its pipeline, stopped or killed anywhere and started again: the result is that of one run.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use cht_tests::{Stage, ffmpeg, tool, words};
use serde_json::Value;

/// Ten shots in segments of two seconds; dissolves and fades to black lie across and next to the boundaries.
fn dissolves(folder: &Path) -> Vec<PathBuf> {
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
    arguments.push(folder.join("segment_%02d.ts").to_str().unwrap().to_owned());
    ffmpeg(&arguments);
    let paths: Vec<_> = (0..7).map(|n| folder.join(format!("segment_{n:02}.ts"))).collect();
    assert!(paths.iter().all(|path| path.exists()));
    paths
}

/// Starts cht-scenes over paths, to the end of its input.
fn start(paths: &[PathBuf], out: &Path, options: &str) -> Stage {
    let mut command = tool("cht-scenes");
    command.args(["--stats-interval", "0", "--out"]).arg(out).args(words(options));
    let mut stage = Stage::start(command.stdin(Stdio::piped()));
    let mut stdin = stage.child.stdin.take().unwrap();
    for path in paths {
        writeln!(stdin, "{}", path.display()).unwrap();
    }
    stage
}

/// What it said of frames and segments, whatever the order: a frame may be certain before the segment before it is done.
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

/// `segment_done` comes after the frames of its segment, and counts them.
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

/// The pictures of a folder and their bytes.
fn pictures(out: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(out).unwrap().map(|entry| entry.unwrap().path());
    let mut pictures: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|extension| extension == "jpg"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().into(), fs::read(&path).unwrap()))
        .collect();
    pictures.sort();
    pictures
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

#[test]
fn auto_stopped_within_each_dissolve_gives_the_frames_of_one_run() {
    check_stops("--detect auto");
}

#[test]
fn adaptive_stopped_within_each_dissolve_gives_the_frames_of_one_run() {
    check_stops("--detect adaptive --max-interval 1.5 --min-gap 1");
}

#[test]
fn screen_and_scene_stopped_within_each_dissolve_give_the_frames_of_one_run() {
    check_stops("--detect scene,screen");
    check_stops("--detect scene");
}

#[test]
fn keyframes_stopped_at_each_boundary_give_each_interval_once() {
    check_stops("--detect auto --decode keyframes --max-interval 1.5");
}
