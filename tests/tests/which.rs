//! cht-scenes selects one of several videos, and follows its changes in a growing segment.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use cht_tests::{Pipeline, Stage, ffmpeg, of_type, tool, words};
use serde_json::Value;

/// Muxes three videos of different widths; `programs` is for ffmpeg's muxer, `more` comes before
/// the third input.
fn mux(folder: &Path, programs: &str, more: &str) -> PathBuf {
    let path = folder.join("mux.ts");
    let video = |width: u32| format!("-f lavfi -i testsrc2=s={width}x128:r=25:d=4");
    let options = format!(
        "{} {} {more} {} -map 0 -map 1 -map 2 {programs} -c:v libx264 -preset ultrafast -g 25 \
         -max_interleave_delta 1 -f mpegts",
        video(160),
        video(192),
        video(224)
    );
    ffmpeg(words(&options).into_iter().chain([path.to_str().unwrap()]));
    path
}

const TWO_PROGRAMS: &str = "-program title=one:st=0:st=1 -program title=two:st=2";

/// Runs cht-scenes over a path, and returns its events.
fn scenes(path: &Path, options: &str) -> Vec<Value> {
    let mut stage = Stage::fed(tool("cht-scenes").args(words(options)), [path.display()]);
    let status = stage.finish();
    let errors = stage.of_type("error").len();
    assert_eq!(status.code(), Some(i32::from(errors > 0)));
    std::mem::take(&mut stage.events)
}

fn widths(events: &[Value]) -> Vec<u64> {
    of_type(events, "frame").iter().map(|frame| frame["width"].as_u64().unwrap()).collect()
}

#[test]
fn program_and_stream_select_the_video() {
    let folder = tempfile::tempdir().unwrap();
    let path = mux(folder.path(), TWO_PROGRAMS, "");
    for (n, (options, width)) in [
        ("--program 1", 160),
        ("--program 1 --stream 1", 192),
        ("--program 2", 224),
        ("--stream 2", 224),
        ("--stream 0x101", 192),
    ]
    .into_iter()
    .enumerate()
    {
        let out = folder.path().join(n.to_string());
        let events = scenes(&path, &format!("--detect scene --out {} {options}", out.display()));
        let done = of_type(&events, "segment_done");
        assert_eq!(done[0]["decoded"], 100, "{options}");
        assert!(widths(&events).iter().all(|&found| found == width), "{options}");
        assert!(!widths(&events).is_empty(), "{options}");
    }
}

#[test]
fn missing_video_is_an_error_naming_existing_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = mux(folder.path(), TWO_PROGRAMS, "");
    for (n, options) in
        ["--program 7", "--program 2 --stream 1", "--stream 0x999"].into_iter().enumerate()
    {
        let out = folder.path().join(n.to_string());
        let events = scenes(&path, &format!("--out {} {options}", out.display()));
        let errors = of_type(&events, "error");
        assert_eq!((errors.len(), &errors[0]["code"]), (1, &Value::from("no_stream")), "{options}");
        let message = errors[0]["message"].as_str().unwrap();
        let there = "program 1: 0x100 (h264), program 1: 0x101 (h264), program 2: 0x102 (h264)";
        assert!(message.contains(options) && message.contains(there), "{message}");
        assert_eq!(of_type(&events, "segment_done").len(), 1);
    }
}

#[test]
fn changed_video_needs_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let path = mux(folder.path(), TWO_PROGRAMS, "");
    let out = folder.path().join("out");
    scenes(&path, &format!("--out {} --program 2", out.display()));
    let mut command = tool("cht-scenes");
    command.args(["--program", "1", "--out"]).arg(&out).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("--program 2"), "{said}");
}

#[test]
fn program_with_own_clock_lies_on_same_timeline() {
    let folder = tempfile::tempdir().unwrap();
    let path = mux(folder.path(), TWO_PROGRAMS, "-itsoffset 5000");
    let out = folder.path().join("out");
    let events = scenes(&path, &format!("--out {} --detect scene --program 2", out.display()));
    let first = of_type(&events, "frame")[0];
    assert_eq!((&first["width"], &first["timestamp"]), (&Value::from(224), &Value::from(0.0)));
    assert!(first["pts"].as_i64().unwrap() > 4000 * 90_000, "{first}");
}

/// Runs a pipeline over bytes in one growing segment, with `options` of cht-scenes, and returns its
/// events.
fn live(folder: &Path, bytes: &[u8], options: &str) -> Vec<Value> {
    let mut pipeline =
        Pipeline::start(&folder.join("sessions"), "--once --segment-time 1000", options);
    pipeline.send(bytes);
    pipeline.succeed();
    assert_eq!(pipeline.recording(), bytes);
    std::mem::take(&mut pipeline.index.events)
}

#[test]
fn growing_segment_gives_selected_video() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(mux(folder.path(), TWO_PROGRAMS, "")).unwrap();
    let events = live(folder.path(), &bytes, "--program 1 --stream 1 --detect scene");
    assert_eq!(of_type(&events, "segment_done")[0]["decoded"], 100);
    assert!(!widths(&events).is_empty() && widths(&events).iter().all(|&width| width == 192));
}

#[test]
fn change_of_codec_or_pid_in_growing_segment_loses_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for (n, coder) in [
        "-c:v libx264 -preset ultrafast -bf 2 -g 25",
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25",
        "-c:v libx264 -preset ultrafast -bf 2 -g 25 -streamid 0:600",
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join("part.ts");
        let width = 160 + 32 * n;
        let options = format!(
            "-f lavfi -i testsrc2=s={width}x128:r=25:d=4 {coder} -pix_fmt yuv420p \
             -output_ts_offset {} -f mpegts",
            10 + n * 4
        );
        ffmpeg(words(&options).into_iter().chain([path.to_str().unwrap()]));
        bytes.extend(fs::read(&path).unwrap());
    }
    for detector in ["scene", "adaptive,screen"] {
        let folder = folder.path().join(detector);
        let events = live(&folder, &bytes, &format!("--detect {detector} --max-interval 0"));
        // Where the PID changes, cht-recv begins a segment; where the codec does, it goes on with
        // the one that grows.
        let done = of_type(&events, "segment_done");
        let decoded: Vec<_> = done.iter().map(|done| done["decoded"].as_u64().unwrap()).collect();
        assert_eq!(decoded, [200, 100], "{detector}");
        for (n, width) in [160, 192, 224].into_iter().enumerate() {
            let begins = |frame: &&&Value| {
                let late = frame["timestamp"].as_f64().unwrap() - 4.0 * n as f64;
                frame["width"] == width && late.abs() < 0.5
            };
            let frames = of_type(&events, "frame");
            assert!(frames.iter().any(|frame| begins(&frame)), "{detector}, {width}: {frames:?}");
        }
    }
}
