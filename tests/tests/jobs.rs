//! Parallel decoders (`--jobs`) give the results of a single one.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use cht_tests::{Stage, bin, decoder_stub, generate};
use serde_json::{Value, json};

/// Generates a film with a cut every ten seconds. A chunk has 2000 frames of this size.
fn film(path: &Path, seconds: u32, encoder: &str) {
    let sources = ["testsrc2", "smptebars", "testsrc", "pal75bars"];
    let sources = sources.map(|source| format!("{source}=s=320x180:r=25"));
    let shots = sources.iter().cycle().take(seconds as usize / 10);
    let shots: Vec<_> = shots.map(|source| (source.as_str(), 10.0)).collect();
    generate(path, &shots, encoder);
}

/// Makes an ffmpeg that counts its starts as a decoder; number `broken` dies in the middle.
fn counting(folder: &Path, broken: usize) -> PathBuf {
    let script = format!(
        "until mkdir {starts}.lock 2>/dev/null; do :; done\n\
             echo >>{starts}; number=$(wc -l <{starts}); rmdir {starts}.lock\n\
             [ $number -eq {broken} ] || exec ffmpeg \"$@\"\n\
             echo 'the device is on fire' >&2\nhead -c 200000 | ffmpeg \"$@\"\nkill -9 $$",
        starts = folder.join("starts").display(),
    );
    decoder_stub(folder, &script)
}

/// Runs cht-scenes, and returns its events and the number of decoders that it started.
fn scenes(paths: &[&Path], folder: &Path, options: &str, broken: usize) -> (Vec<Value>, usize) {
    fs::create_dir(folder).unwrap();
    let stub = counting(folder, broken);
    let options = format!("--ffmpeg {} {options}", stub.display());
    let mut stage = cht_tests::scenes(paths, &folder.join("frames"), &options);
    assert_eq!(stage.finish().success(), broken == 0);
    let starts = fs::read_to_string(folder.join("starts")).unwrap().lines().count();
    (std::mem::take(&mut stage.events), starts)
}

/// Returns the fields that depend on decoding.
fn found(events: &[Value]) -> Vec<Value> {
    let told =
        events.iter().filter(|event| event["type"] == "frame" || event["type"] == "segment_done");
    let fields = [
        "type", "id", "pts", "reason", "detector", "change", "scores", "hash", "decoded", "events",
    ];
    told.map(|event| json!(fields.map(|field| event[field].clone()))).collect()
}

/// Compares one decoder with three, and gives how many there were in the end, of both.
fn compare(paths: &[&Path], folder: &Path, options: &str) -> [usize; 2] {
    let name = options.replace(' ', "");
    let scores = |jobs: u32| folder.join(format!("{name}{jobs}.ndjson"));
    let [(one, started_one), (three, started_three)] = [1, 3].map(|jobs| {
        let scores = scores(jobs);
        let options = format!("--jobs {jobs} --scores {} {options}", scores.display());
        scenes(paths, &folder.join(format!("{name}{jobs}")), &options, 0)
    });
    assert_eq!(found(&three), found(&one), "{options}");
    assert!(found(&one).len() > 4);
    // Measurements of each frame.
    assert_eq!(fs::read(scores(3)).unwrap(), fs::read(scores(1)).unwrap(), "{options}");
    [started_one, started_three]
}

#[test]
fn jobs_match_single_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    // Pictures displayed before a keyframe refer to pictures before it.
    film(&path, 250, "-c:v libx264 -preset ultrafast -bf 2 -x264-params open-gop=1:keyint=100");
    for options in ["--detect auto", "--detect scene --threshold 0.3"] {
        let starts = compare(&[&path], folder.path(), options);
        assert!(starts[1] >= 3, "{starts:?} decoders");
    }
}

#[test]
fn jobs_divide_within_segments() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.ts");
    film(&whole, 180, "-c:v mpeg2video -g 50 -bf 2 -q:v 8");
    let bytes = fs::read(&whole).unwrap();
    let cuts = [0, bytes.len() / 188 / 3 * 188, bytes.len() / 188 / 2 * 188, bytes.len()];
    let paths: Vec<_> = (1..4).map(|n| folder.path().join(format!("{n}.ts"))).collect();
    for (path, ends) in paths.iter().zip(cuts.windows(2)) {
        fs::write(path, &bytes[ends[0]..ends[1]]).unwrap();
    }
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let starts = compare(&paths, folder.path(), "--detect adaptive");
    assert!(starts[1] >= 3, "{starts:?} decoders");
}

#[test]
fn list_is_decoded_by_all_processors_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    film(&path, 250, "-c:v libx264 -preset ultrafast -g 100");
    let options = "--detect scene --threshold 0.3 --max-interval 0";
    let one = scenes(&[&path], &folder.path().join("one"), &format!("--jobs 1 {options}"), 0);
    let auto = scenes(&[&path], &folder.path().join("auto"), options, 0);
    assert_eq!(found(&auto.0), found(&one.0));
    let cores = thread::available_parallelism().unwrap().get();
    // Each chunk has its decoder.
    assert_eq!(auto.1 > one.1, cores > 1, "{} and {} decoders", one.1, auto.1);
}

#[test]
fn segments_that_come_one_by_one_wait_for_no_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["1", "2", "3"];
    let paths = names.map(|name| folder.path().join(format!("{name}.ts")));
    for path in &paths {
        film(path, 20, "-c:v libx264 -preset ultrafast -g 50");
    }
    let mut command = Command::new(bin("cht-scenes"));
    command.arg("--out").arg(folder.path().join("frames")).args(["--jobs", "auto"]);
    let mut stage = Stage::start(command.stdin(Stdio::piped()));
    let mut list = stage.child.stdin.take().unwrap();
    for (path, frames) in paths.iter().zip([2, 4, 6]) {
        writeln!(list, "{}", path.display()).unwrap();
        while stage.of_type("frame").len() < frames {
            stage.wait_for("frame");
        }
    }
    drop(list);
    assert!(stage.finish().success());
    assert_eq!(stage.of_type("segment_done").len(), 3);
}

#[test]
fn jobs_fetch_pictures_that_a_chunk_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &[("smptebars=s=320x180:r=25", 180.0)], "-c:v libx264 -preset ultrafast -g 50");
    // When a picture is due depends on when one was kept last, which the second and third decoder
    // do not know.
    for detector in ["screen", "scene"] {
        let options = format!("--detect {detector} --max-interval 17");
        let [one, three] = compare(&[&path], folder.path(), &options);
        // One decoder knows what to hand over, by the same rule in its own language; pictures at
        // rest are in step with the intervals once one was fetched.
        assert_eq!(one, 2, "{detector}");
        assert!(three > 3, "{detector}");
    }
}

#[test]
fn jobs_decode_preroll_for_gradual_refresh() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    // Pictures are renewed column by column.
    film(&path, 180, "-c:v libx264 -preset ultrafast -x264-params intra-refresh=1:keyint=50");
    assert!(compare(&[&path], folder.path(), "--detect auto")[1] > 3);
}

#[test]
fn crashed_job_costs_one_segment() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1", "2"].map(|name| folder.path().join(format!("{name}.ts")));
    film(&first, 250, "-c:v libx264 -preset ultrafast -g 50");
    film(&second, 10, "-c:v libx264 -preset ultrafast -g 50");
    let options = "--jobs 2 --detect scene --threshold 0.3 --max-interval 0";
    let (events, _) = scenes(&[&first, &second], &folder.path().join("out"), options, 3);
    let errors: Vec<_> = events.iter().filter(|event| event["type"] == "error").collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((&errors[0]["code"], &errors[0]["path"]), (&json!("decoder_failed"), &json!(first)));
    assert!(errors[0]["message"].as_str().unwrap().contains("the device is on fire"), "{errors:?}");
    let done = events.iter().filter(|event| event["type"] == "segment_done");
    let decoded: Vec<_> = done.map(|done| done["decoded"].as_u64().unwrap()).collect();
    // The first two parts were decoded, and some of the third.
    assert!((4000..6250).contains(&decoded[0]), "{decoded:?}");
    assert_eq!(decoded[1..], [250], "{decoded:?}");
}
