//! Decisions from recorded measurements (`--scores`, `--from-scores`), and `--max-frames`.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use cht_tests::{QUICK, generate, tool, words};
use serde_json::{Value, json};

const SHOTS: [(&str, f64); 4] = [
    ("testsrc2=s=320x240:r=25", 3.0),
    ("smptebars=s=320x240:r=25", 2.4),
    ("mandelbrot=s=320x240:r=25", 3.0),
    ("rgbtestsrc=s=320x240:r=25", 2.6),
];

fn clip(folder: &Path, name: &str, options: &str) -> PathBuf {
    let path = folder.join(name);
    generate(&path, &SHOTS, &format!("{QUICK} {options}"));
    path
}

/// Runs cht-scenes on these paths; its exit status and its events.
fn scenes(paths: &[PathBuf], out: &Path, options: &[&str]) -> (Option<i32>, Vec<Value>) {
    let mut stage = cht_tests::scenes(paths, out, &options.join(" "));
    (stage.finish().code(), stage.events.clone())
}

/// Returns the fields of each frame that do not depend on its folder.
fn frames(events: &[Value]) -> Vec<Value> {
    let frames = events.iter().filter(|event| event["type"] == "frame");
    let fields =
        ["id", "timestamp", "pts", "reason", "detector", "change", "scores", "segment", "hash"];
    frames.map(|frame| json!(fields.map(|field| frame[field].clone()))).collect()
}

#[test]
fn decision_from_scores_matches_first_decision() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [clip(folder.path(), "1.ts", ""), clip(folder.path(), "2.ts", "-bf 0")];
    for detect in ["auto", "adaptive", "screen", "scene,screen"] {
        let scores = folder.path().join(format!("{detect}.ndjson"));
        let scores = scores.to_str().unwrap();
        let (first, again) = (folder.path().join("first"), folder.path().join("again"));
        let options = ["--overwrite", "--detect", detect];
        let (status, decoded) =
            scenes(&paths, &first, &[&options[..], &["--scores", scores]].concat());
        assert_eq!(status, Some(0));
        let (status, decided) =
            scenes(&[], &again, &[&options[..], &["--from-scores", scores]].concat());
        assert_eq!(status, Some(0));
        // To `screen` the last shot, which looks filmed, is still the film that filled the screen
        // before it.
        assert!(frames(&decoded).len() >= 5, "{detect}: {}", frames(&decoded).len());
        assert_eq!(frames(&decided), frames(&decoded), "{detect}");
        for frame in decoded.iter().filter(|event| event["type"] == "frame") {
            let taken_by = match frame["reason"].as_str().unwrap() {
                "first" | "interval" => Value::Null,
                "screen" => "screen".into(),
                _ if detect == "scene,screen" => "scene".into(),
                _ => "adaptive".into(),
            };
            assert_eq!(frame["detector"], taken_by, "{detect}: {frame}");
        }
        let done = |events: &[Value]| events.iter().filter(|e| e["type"] == "segment_done").count();
        assert_eq!(done(&decided), 2);
    }
}

#[test]
fn other_options_give_other_frames_and_same_ones_again() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [clip(folder.path(), "1.ts", "")];
    let scores = folder.path().join("scores.ndjson");
    let scores = scores.to_str().unwrap();
    scenes(&paths, &folder.path().join("first"), &["--scores", scores]);
    let again = folder.path().join("again");
    let options =
        ["--from-scores", scores, "--detect", "scene", "--threshold", "0.1", "--max-interval", "1"];
    let (_, decided) = scenes(&[], &again, &options);
    let times: Vec<f64> = frames(&decided).iter().map(|frame| frame[1].as_f64().unwrap()).collect();
    for cut in [0.0, 3.0, 5.4, 8.4] {
        assert!(times.contains(&cut), "{cut} is not in {times:?}");
    }
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 1.0 + 0.041), "{times:?}");
    let (_, said) = scenes(&[], &again, &options);
    assert_eq!(said, decided);
}

#[test]
fn dropped_picture_is_decoded_again() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [clip(folder.path(), "1.ts", "")];
    let scores = folder.path().join("scores.ndjson");
    let options = ["--detect", "scene", "--max-interval", "0"];
    let named = scores.to_str().unwrap();
    let (_, decoded) = scenes(
        &paths,
        &folder.path().join("first"),
        &[&options[..], &["--scores", named]].concat(),
    );
    let without =
        fs::read_to_string(&scores).unwrap().replace("\"picture\":true", "\"picture\":false");
    fs::write(&scores, without).unwrap();
    let (_, decided) = scenes(
        &[],
        &folder.path().join("again"),
        &[&options[..], &["--from-scores", named]].concat(),
    );
    assert_eq!(frames(&decoded).len(), 4);
    assert_eq!(frames(&decided), frames(&decoded));
}

/// Sets `random_access_indicator` in every `nth` packet that begins a picture and has an adaptation
/// field.
fn claim_access(path: &Path, nth: usize) {
    let mut stream = fs::read(path).unwrap();
    let begins =
        |packet: &&mut [u8]| packet[1] & 0x40 != 0 && packet[3] & 0x20 != 0 && packet[4] > 0;
    let packets = stream.chunks_exact_mut(188).filter(|packet| packet[1] & 0x1F == 1);
    packets.filter(begins).step_by(nth).for_each(|packet| packet[5] |= 0x40);
    fs::write(path, stream).unwrap();
}

#[test]
fn picture_after_false_access_point_matches_full_decoding() {
    let folder = tempfile::tempdir().unwrap();
    let refreshed = "-bf 0 -x264-params intra-refresh=1:keyint=25:bframes=0";
    let claimed = "-g 400 -sc_threshold 0 -refs 3";
    for (name, options, nth) in [("refreshed.ts", refreshed, 400), ("claimed.ts", claimed, 7)] {
        let path = clip(folder.path(), name, options);
        claim_access(&path, nth);
        let scores = folder.path().join(format!("{name}.ndjson"));
        let scores = scores.to_str().unwrap();
        let options = ["--detect", "screen", "--max-interval", "2"];
        let run = |out: &str, more: &[&str]| {
            let paths = [path.clone()];
            let out = folder.path().join(format!("{name}-{out}"));
            let (status, events) = scenes(&paths, &out, &[&options[..], more].concat());
            assert_eq!(status, Some(0), "{name} {more:?}");
            frames(&events)
        };
        let decoded = run("decoded", &["--scores", scores]);
        assert!(decoded.len() >= 4, "{name}: {decoded:?}");
        assert_eq!(run("decided", &["--from-scores", scores]), decoded, "{name}");
        // Of keyframes there is one.
        let keyframes = run("keyframes", &["--decode", "keyframes"]);
        assert_eq!(keyframes.len(), 1, "{name}: {keyframes:?}");
        assert_eq!(keyframes[0][1], 0.0, "{name}");
    }
}

#[test]
fn scores_of_killed_run_match_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..3)
        .map(|n| clip(folder.path(), &format!("{n}.ts"), &format!("-output_ts_offset {}", 11 * n)))
        .collect();
    let [whole, killed] =
        ["whole", "killed"].map(|name| folder.path().join(format!("{name}.ndjson")));
    scenes(&paths, &folder.path().join("whole"), &["--scores", whole.to_str().unwrap()]);
    let out = folder.path().join("killed");
    for frames in [1, 5] {
        let options = format!("--scores {}", killed.display());
        let mut stage = cht_tests::scenes(&paths, &out, &options);
        (0..frames).for_each(|_| drop(stage.wait_for("frame")));
        stage.kill();
    }
    scenes(&paths, &out, &["--scores", killed.to_str().unwrap()]);
    assert!(fs::read(&whole).unwrap() == fs::read(&killed).unwrap(), "the scores differ");
}

#[test]
fn foreign_scores_file_is_neither_read_nor_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = clip(folder.path(), "1.ts", "");
    let notes = folder.path().join("notes");
    fs::write(&notes, "mine\n").unwrap();
    for option in ["--scores", "--from-scores"] {
        let mut command = tool("cht-scenes");
        command.arg("--out").arg(folder.path().join("out")).arg(option).arg(&notes);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = writeln!(child.stdin.take().unwrap(), "{}", path.display());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{option}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("notes"), "{said}");
    }
    assert_eq!(fs::read_to_string(&notes).unwrap(), "mine\n");
}

#[test]
fn max_frames_are_spread_over_the_hour() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.ts");
    // A cut each second for a minute and a half.
    let shots: Vec<_> = (0..90)
        .map(|n| (["testsrc2=s=160x120:r=10", "rgbtestsrc=s=160x120:r=10"][n % 2], 1.0))
        .collect();
    generate(&path, &shots, QUICK);
    let options = words("--detect scene --max-frames 5/min --max-interval 0");
    let (_, events) = scenes(&[path], &folder.path().join("out"), &options);
    let times: Vec<f64> = frames(&events).iter().map(|frame| frame[1].as_f64().unwrap()).collect();
    // Ten may come at once, then one each 12.4 s, to the end.
    assert!((15..=18).contains(&times.len()), "{times:?}");
    assert!(*times.last().unwrap() > 75.0, "{times:?}");
}
