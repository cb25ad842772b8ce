//! cht-scenes in its pipeline: kept frames, restarts, journals and options.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cht_tests::{
    Pipeline, QUICK, Stage, ffmpeg, footage, generate, generated, held_decoder, probe_frames,
    scenes, tool, words,
};
use serde_json::Value;

const SHOTS: [(&str, f64); 5] = [
    ("testsrc2=s=320x240:r=25", 2.0),
    ("smptebars=s=320x240:r=25", 2.0),
    ("mandelbrot=s=320x240:r=25", 2.0),
    ("color=navy:s=320x240:r=25", 2.0),
    ("rgbtestsrc=s=320x240:r=25", 2.0),
];

/// Makes five segments with ffmpeg's muxer, cut at keyframes.
fn segments(folder: &Path, options: &str) -> Vec<PathBuf> {
    let whole = folder.join("whole.ts");
    generate(&whole, &SHOTS, QUICK);
    let pattern = folder.join("part_%d.ts");
    let (whole, pattern) = (whole.to_str().unwrap(), pattern.to_str().unwrap());
    let options = format!("-c copy -f segment -segment_time 2 {options}");
    ffmpeg(["-i", whole].into_iter().chain(words(&options)).chain([pattern]));
    (0..5).map(|n| folder.join(format!("part_{n}.ts"))).collect()
}

/// Runs cht-scenes over paths, and returns its events.
fn events_of(paths: &[PathBuf], out: &Path, options: &str) -> Vec<Value> {
    let detect = if options.contains("--detect") { "" } else { "--detect scene" };
    // Runs are compared, and `stats` differ between runs.
    scenes(paths, out, &format!("{detect} {options} --stats-interval 0")).succeed()
}

fn times(events: &[Value]) -> Vec<f64> {
    let frames = events.iter().filter(|event| event["type"] == "frame");
    frames.map(|frame| frame["timestamp"].as_f64().unwrap()).collect()
}

/// Returns names and contents of the files in a folder, without journals.
fn pictures(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pictures = entries.filter(|path| path.extension().is_none_or(|e| e != "ndjson"));
    let named = pictures.map(|path| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    });
    named.collect()
}

#[test]
fn cuts_on_segment_boundaries_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let paths = segments(folder.path(), "");
    let events = events_of(&paths, &folder.path().join("out"), "");
    assert_eq!(times(&events), [0.0, 2.0, 4.0, 6.0, 8.0]);
}

#[test]
fn segments_restarting_at_zero_are_laid_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let paths = segments(folder.path(), "-reset_timestamps 1");
    let events = events_of(&paths, &folder.path().join("out"), "");
    for (found, expected) in times(&events).iter().zip([0.0, 2.0, 4.0, 6.0, 8.0]) {
        assert!((found - expected).abs() < 0.02, "{found} is not {expected}");
    }
}

#[test]
fn still_clip_gives_first_frame_and_one_per_interval() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("still.ts");
    generate(&path, &[("color=gray:s=320x240:r=10", 7.0)], QUICK);
    let events = events_of(&[path], &folder.path().join("out"), "--max-interval 3");
    assert_eq!(times(&events), [0.0, 3.0, 6.0]);
    let reasons: Vec<_> =
        events.iter().filter(|e| e["type"] == "frame").map(|e| e["reason"].clone()).collect();
    assert_eq!(reasons, ["first", "interval", "interval"]);
}

#[test]
fn interval_of_any_detector_ends_in_its_last_half_second() {
    let folder = tempfile::tempdir().unwrap();
    let still = ["smptebars=s=128x96:r=30000/1001", "smptebars=s=128x96:r=10"];
    let moving = "life=s=128x96:r=25:mold=10:ratio=0.1:death_color=#C83232:life_color=#00ff00";
    // Frames that come seldom: the last one in time.
    let rare = "smptebars=s=128x96:r=2/7";
    let materials = [(still[0], 9.5), (still[1], 9.5), (moving, 9.5), (rare, 7.0)];
    for (n, (material, earliest)) in materials.into_iter().enumerate() {
        let path = folder.path().join(format!("{n}.ts"));
        generate(&path, &[(material, 41.0)], QUICK);
        for detector in ["adaptive", "screen"] {
            let out = folder.path().join(format!("{n}_{detector}"));
            let options = format!("--detect {detector} --max-interval 10");
            let events = events_of(std::slice::from_ref(&path), &out, &options);
            let kept: Vec<_> = events.iter().filter(|event| event["type"] == "frame").collect();
            let times = times(&events);
            assert!(times.last().unwrap() + 10.0 > 41.0 - 1.0 / 25.0, "{material}: {times:?}");
            for (pair, frame) in times.windows(2).zip(&kept[1..]) {
                let waited = pair[1] - pair[0];
                let is_early = frame["reason"] == "interval" && waited < earliest - 1e-6;
                assert!(waited < 10.0 + 1e-6 && !is_early, "{material}, {detector}: {times:?}");
            }
        }
    }
}

#[test]
fn scores_match_ffmpeg_to_six_digits() {
    let Some(clip) = footage("edited/bikes_640x272p25.mp4") else { return };
    let folder = tempfile::tempdir().unwrap();
    let ts = folder.path().join("a.ts");
    ffmpeg(["-i", clip.to_str().unwrap(), "-c", "copy", ts.to_str().unwrap()]);
    let filter = "select=gte(scene\\,0),metadata=print:key=lavfi.scene_score:file=-";
    let output = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-i", ts.to_str().unwrap()])
        .args(["-vf", filter, "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let scores: Vec<&str> =
        text.lines().filter_map(|l| l.strip_prefix("lavfi.scene_score=")).collect();
    let frames = probe_frames(&ts);
    assert_eq!(scores.len(), frames.len());
    let events = events_of(&[ts], &folder.path().join("out"), "--threshold 0.02 --min-gap 0");
    let kept: Vec<&Value> = events.iter().filter(|event| event["type"] == "frame").collect();
    let above = |score: &&&str| score.parse::<f64>().unwrap() > 0.02;
    assert_eq!(kept.len(), 1 + scores.iter().filter(above).count());
    for frame in &kept[1..] {
        let time = frame["timestamp"].as_f64().unwrap();
        let n = frames.iter().position(|t| (t - time).abs() < 0.001).unwrap();
        let score = format!("{:.6}", frame["scores"]["scene"].as_f64().unwrap());
        assert_eq!(score, scores[n], "frame {n}");
    }
}

#[test]
fn picture_of_new_size_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (folder.path().join("1.ts"), folder.path().join("2.ts"));
    generate(&small, &[("color=gray:s=320x240:r=25", 2.0)], QUICK);
    generate(
        &large,
        &[("color=gray:s=640x480:r=25", 2.0)],
        &format!("{QUICK} -output_ts_offset 2"),
    );
    let both = folder.path().join("both.ts");
    fs::write(&both, [fs::read(small).unwrap(), fs::read(large).unwrap()].concat()).unwrap();
    let events = events_of(&[both], &folder.path().join("out"), "");
    let sizes: Vec<_> =
        events.iter().filter(|e| e["type"] == "frame").map(|e| e["width"].clone()).collect();
    assert_eq!(sizes, [320, 640]);
    assert!((times(&events)[1] - 2.0).abs() < 0.1, "{:?}", times(&events));
}

#[test]
fn frame_is_indexed_while_its_segment_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(folder.path(), "--once", "--detect scene");
    let url = format!("tcp://{}?tcp_nodelay=1", pipeline.address);
    let mut sender = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-re", "-f", "lavfi", "-i"])
        .arg("testsrc2=s=640x360:r=25:d=4,drawbox=enable='gte(t,2)':c=white:t=fill")
        .args(words("-c:v libx264 -preset ultrafast -tune zerolatency -flush_packets 1 -f mpegts"))
        .arg(url)
        .spawn()
        .unwrap();
    let first = pipeline.index.wait_for("frame");
    // Both frames come before the segment is closed: the sender still sends.
    let second = pipeline.index.wait_for("frame");
    assert!(pipeline.index.of_type("segment_closed").is_empty());
    assert!(sender.try_wait().unwrap().is_none(), "the sender has ended before the frame came");
    assert_eq!((&first["reason"], &second["reason"]), (&"first".into(), &"scene".into()));
    assert!((second["timestamp"].as_f64().unwrap() - 2.0).abs() < 0.001);
    assert!(Path::new(second["path"].as_str().unwrap()).exists());
    assert!(sender.wait().unwrap().success());
    pipeline.succeed();
    assert_eq!(pipeline.read_index().len(), 2);
}

/// Returns the options of a detector; only `scene` takes a threshold.
fn detecting(detect: &str) -> String {
    let threshold = if detect == "scene" { " --threshold 0.02" } else { "" };
    format!("--detect {detect}{threshold}")
}

/// Kills the stage after `frames` frames, then runs it to its end.
fn killed_after(frames: usize, paths: &[PathBuf], out: &Path, detect: &str) -> Vec<Value> {
    let mut stage = scenes(paths, out, &detecting(detect));
    for _ in 0..frames {
        stage.wait_for("frame");
    }
    stage.kill();
    drop(stage);
    events_of(paths, out, &detecting(detect))
}

#[test]
fn killed_run_gives_same_result() {
    for detect in ["scene", "adaptive", "screen", "auto", "scene,screen"] {
        killed_anywhere(detect);
    }
}

fn killed_anywhere(detect: &str) {
    let folder = tempfile::tempdir().unwrap();
    let paths = segments(folder.path(), "");
    let whole = folder.path().join("whole");
    let without = |events: Vec<Value>, out: &Path| -> Vec<String> {
        let out = out.to_str().unwrap().to_owned();
        // How long it took is another matter each time.
        let events = events.iter().filter(|event| event["type"] != "stats");
        events.map(|event| event.to_string().replace(&out, "OUT")).collect()
    };
    let expected = without(events_of(&paths, &whole, &detecting(detect)), &whole);
    let frames = expected.iter().filter(|line| line.contains("\"frame\"")).count();
    assert!(frames >= 4, "{detect}: {frames}");
    for kill in 0..frames {
        let out = folder.path().join(format!("killed_{kill}"));
        let events = without(killed_after(kill, &paths, &out, detect), &out);
        assert_eq!(events, expected, "{detect}, killed after {kill} frames");
        assert_eq!(pictures(&out), pictures(&whole), "{detect}, killed after {kill} frames");
    }
}

/// Runs the stage, and returns its exit status and its sorted events, with `OUT` for the folder: a
/// frame may come before the segment before its own is done.
fn run(paths: &[PathBuf], out: &Path) -> (Option<i32>, Vec<String>) {
    let mut stage = scenes(paths, out, "--detect adaptive --stats-interval 0");
    let status = stage.finish().code();
    let out = out.to_str().unwrap();
    let events = stage.events.iter().map(|event| event.to_string().replace(out, "OUT"));
    let mut events: Vec<String> = events.collect();
    events.sort();
    (status, events)
}

#[test]
fn damaged_journal_gives_same_frames() {
    type Damage = fn(&Path);
    let journal = |out: &Path| out.join("scenes.ndjson");
    let folder = tempfile::tempdir().unwrap();
    let paths = segments(folder.path(), "");
    let (_, expected) = run(&paths, &folder.path().join("whole"));
    let damages: [(&str, Damage, i32); 6] = [
        ("a line without its newline", |out| cut_end(out, 1), 0),
        ("half a line", |out| cut_end(out, 40), 0),
        ("NUL bytes at the end", |out| append(out, &[0; 100]), 0),
        ("no lines", |out| append(out, b"[[[[\n{}\n\n\xff\n"), 1),
        ("a damaged state", |out| fs::write(out.join("scenes_000003.state"), b"?").unwrap(), 1),
        ("a lost state", |out| fs::remove_file(out.join("scenes_000003.state")).unwrap(), 1),
    ];
    for (n, (what, damage, status)) in damages.into_iter().enumerate() {
        let out = folder.path().join(n.to_string());
        assert_eq!(run(&paths[..3], &out).0, Some(0));
        damage(&out);
        let (ended, events) = run(&paths, &out);
        assert_eq!((ended, &events), (Some(status), &expected), "{what}");
        // The next run reads the mended journal.
        let (_, events) = run(&paths, &out);
        assert_eq!(events, expected, "{what}");
    }
    // Before the first segment the detectors know nothing, which no file has to say.
    let out = folder.path().join("first");
    run(&paths[..1], &out);
    fs::write(out.join("scenes_000001.state"), b"?").unwrap();
    assert_eq!(run(&paths, &out), (Some(1), expected.clone()));
    // Without any state there is a frame more at most, and nothing ends.
    let out = folder.path().join("stateless");
    run(&paths[..3], &out);
    for seq in 2..=3 {
        fs::remove_file(out.join(format!("scenes_00000{seq}.state"))).unwrap();
    }
    let (status, events) = run(&paths, &out);
    assert_eq!(status, Some(1));
    assert!((expected.len()..=expected.len() + 1).contains(&events.len()), "{events:#?}");
    // A frame whose line is lost is not named again; all others have the numbers that they had.
    let out = folder.path().join("frameless");
    run(&paths[..3], &out);
    let text = fs::read_to_string(journal(&out)).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("\"F000002\"")).collect();
    fs::write(journal(&out), format!("{}\n", lines.join("\n"))).unwrap();
    let (status, events) = run(&paths, &out);
    let others: Vec<String> =
        expected.iter().filter(|event| !event.contains("\"F000002\"")).cloned().collect();
    assert_eq!((status, events), (Some(0), others));
}

/// Returns segment and time of each frame.
fn places(events: &[Value]) -> Vec<(String, f64)> {
    let frames = events.iter().filter(|event| event["type"] == "frame");
    let place = |frame: &Value| {
        (frame["segment"].as_str()?.to_owned(), frame["timestamp"].as_f64()?).into()
    };
    frames.filter_map(place).collect()
}

#[test]
fn frame_selected_before_its_segment_moves_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there, out] = ["here", "there", "out"].map(|name| folder.path().join(name));
    fs::create_dir(&here).unwrap();
    let before = places(&events_of(&segments(&here, ""), &out, "--detect adaptive"));
    assert!(before.len() > 3, "{before:?}");
    fs::rename(&here, &there).unwrap();
    let paths: Vec<_> = (0..5).map(|n| there.join(format!("part_{n}.ts"))).collect();
    let after = places(&events_of(&paths, &out, "--detect adaptive"));
    let [here, there] = [here, there].map(|path| path.to_str().unwrap().to_owned());
    let moved = |(segment, time): (String, f64)| (segment.replace(&here, &there), time);
    assert_eq!(after, before.into_iter().map(moved).collect::<Vec<_>>());
}

#[test]
fn segment_after_done_one_is_compared_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.ts");
    generate(&whole, &[("testsrc2=s=320x240:r=25", 2.0), ("smptebars=s=320x240:r=25", 2.0)], QUICK);
    let pattern = folder.path().join("part_%d.ts");
    let options = words("-c copy -f segment -segment_time 1").into_iter();
    let (whole, pattern) = (whole.to_str().unwrap(), pattern.to_str().unwrap());
    ffmpeg(["-i", whole].into_iter().chain(options).chain([pattern]));
    let paths: Vec<_> = (0..4).map(|n| folder.path().join(format!("part_{n}.ts"))).collect();
    let out = folder.path().join("out");
    events_of(&[paths[0].clone(), paths[2].clone()], &out, "");
    // The second one turns up late, and the fourth is as the third.
    let found = places(&events_of(&paths, &out, ""));
    assert!(found.iter().all(|(segment, _)| !segment.ends_with("part_3.ts")), "{found:?}");
}

#[test]
fn replaced_file_of_same_name_and_size_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let [path, other, out] = ["a.ts", "b.ts", "out"].map(|name| folder.path().join(name));
    generate(&path, &SHOTS[..2], QUICK);
    generate(&other, &SHOTS[1..2], QUICK);
    let mut bytes = fs::read(&other).unwrap();
    let size = fs::metadata(&path).unwrap().len() as usize;
    assert!(bytes.len() < size && size.is_multiple_of(188));
    while bytes.len() < size {
        bytes.extend_from_slice(&[&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 184]].concat());
    }
    let paths = [path.clone()];
    let count = |events: &[Value]| events.iter().filter(|event| event["type"] == "frame").count();
    let before = events_of(&paths, &out, "");
    assert_eq!(count(&before), 2);
    assert_eq!(events_of(&paths, &out, ""), before, "nothing is decoded again");
    fs::write(&path, bytes).unwrap();
    let after = events_of(&paths, &out, "");
    let frames: Vec<_> = after.iter().filter(|event| event["type"] == "frame").collect();
    assert_eq!(frames.len(), 1, "{after:?}");
    assert_eq!((&frames[0]["id"], &frames[0]["reason"]), (&"F000003".into(), &"first".into()));
    assert_eq!(events_of(&paths, &out, ""), after);
    // The same file twice takes no more time than once.
    let [next, once, twice] = ["next.ts", "once", "twice"].map(|name| folder.path().join(name));
    generate(&next, &SHOTS[2..3], QUICK);
    let [first] = paths;
    let twice = events_of(&[first.clone(), first.clone(), next.clone()], &twice, "");
    assert_eq!(places(&twice), places(&events_of(&[first, next], &once, "")));
}

fn cut_end(out: &Path, bytes: u64) {
    let file = fs::File::options().write(true).open(out.join("scenes.ndjson")).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

fn append(out: &Path, bytes: &[u8]) {
    let file = fs::File::options().append(true).open(out.join("scenes.ndjson"));
    file.unwrap().write_all(bytes).unwrap();
}

#[test]
fn second_run_with_other_options_needs_overwrite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &SHOTS[..2], QUICK);
    let out = folder.path().join("out");
    events_of(std::slice::from_ref(&path), &out, "");
    let mut command = tool("cht-scenes");
    command
        .args(["--detect", "scene", "--threshold", "0.9", "--out"])
        .arg(&out)
        .stdin(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--threshold 0.1") && said.contains("--overwrite"), "{said}");
    let events = events_of(&[path], &out, "--threshold 0.9 --overwrite");
    assert_eq!(times(&events), [0.0]);
    assert_eq!(pictures(&out).len(), 1);
}

#[test]
fn options_named_by_refusal_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &SHOTS[..1], QUICK);
    let run = |out: &Path, options: &str| {
        let mut command = tool("cht-scenes");
        command.arg("--out").arg(out).args(words(options)).stdin(Stdio::piped());
        let command = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A stage that refuses its options closes its stdin.
        let _ = writeln!(child.stdin.take().unwrap(), "{}", path.display());
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let all = [
        "--detect auto",
        "--detect adaptive",
        "--detect screen --dedupe --min-change 0.01 --ignore 0.8,0.9,0.2,0.1",
        "--detect scene --threshold 0.3",
        "--detect scene,screen --settle 1 --format png",
        "--decode keyframes --max-frames 60/h --scale 80",
    ];
    for (n, options) in all.into_iter().enumerate() {
        let out = folder.path().join(n.to_string());
        assert_eq!(run(&out, options).0, Some(0), "{options}");
        let (status, said) = run(&out, &format!("{options} --max-interval 7"));
        assert_eq!(status, Some(2), "{options}: {said}");
        let named = said.split("made with ").nth(1).and_then(|rest| rest.split("; use").next());
        let named = named.unwrap_or_else(|| panic!("{options}: {said}"));
        let (status, said) = run(&out, named);
        assert_eq!(status, Some(0), "{options}: {named}: {said}");
    }
}

#[test]
fn killed_stages_are_restarted_during_recording() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = generated(&SHOTS, QUICK);
    let mut pipeline = Pipeline::start(folder.path(), "--once --segment-time 2", "--detect scene");
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    let half = bytes.len() / 2;
    sender.write_all(&bytes[..half]).unwrap();
    pipeline.index.wait_for("frame");
    // Every stage but the recorder dies.
    for stage in &mut pipeline.stages[1..] {
        stage.kill().unwrap();
    }
    pipeline.index.signal("KILL");
    let mut watch = tool("cht-segwatch")
        .arg("--follow")
        .arg(&pipeline.session)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut scenes = tool("cht-scenes")
        .args(["--detect", "scene"])
        .stdin(watch.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut index = Stage::start(tool("cht-index").stdin(scenes.stdout.take().unwrap()));
    index.wait_for("frame");
    sender.write_all(&bytes[half..]).unwrap();
    drop(sender);
    assert!(index.finish().success());
    assert!(watch.wait().unwrap().success() && scenes.wait().unwrap().success());
    assert!(pipeline.stages[0].wait().unwrap().success());
    let entries = pipeline.read_index();
    let found: Vec<f64> = entries.iter().map(|e| e["timestamp"].as_f64().unwrap()).collect();
    assert_eq!(found, [0.0, 2.0, 4.0, 6.0, 8.0]);
    assert_eq!(pictures(&pipeline.session.join("frames")).len(), 6, "five pictures and index.json");
}

#[test]
fn waiting_segments_are_passed_on_at_once_and_decoded_in_order() {
    const MANY: u64 = 5000;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.ts");
    generate(&path, &SHOTS[..1], QUICK);
    // Its decoder begins when all events have come through.
    let (stub, gate) = held_decoder(folder.path());
    let examined = tool("cht-segwatch").args(["--settle", "0"]).arg(&path).output().unwrap().stdout;
    let first = String::from_utf8(examined).unwrap();
    let mut command = tool("cht-scenes");
    command.args(["--detect", "scene", "--out"]).arg(folder.path().join("out"));
    command.arg("--ffmpeg").arg(&stub).args(["--stats-interval", "0"]);
    let mut stage = Stage::start(command.stdin(Stdio::piped()).stderr(Stdio::null()));
    let mut stdin = stage.child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || {
        stdin.write_all(first.as_bytes()).unwrap();
        for n in 2..=MANY {
            let line = first.replace("/1.ts", &format!("/{n}.ts"));
            stdin
                .write_all(line.replace("\"seq\":1,", &format!("\"seq\":{n},")).as_bytes())
                .unwrap();
        }
    });
    for _ in 1..=MANY {
        stage.wait_for("segment");
    }
    writer.join().unwrap();
    fs::write(&gate, "go\n").unwrap();
    assert_eq!(stage.finish().code(), Some(1));
    assert_eq!(stage.of_type("segment_done").len(), 1);
    let lost: Vec<_> = stage.of_type("error").iter().map(|error| error["path"].clone()).collect();
    let expected: Vec<Value> = (2..=MANY)
        .map(|n| folder.path().join(format!("{n}.ts")).to_str().unwrap().into())
        .collect();
    assert_eq!(lost, expected);
}

/// Returns the times of frames by the folder of their segment.
fn by_folder(events: &[Value]) -> BTreeMap<String, Vec<f64>> {
    let mut found = BTreeMap::<_, Vec<f64>>::new();
    for frame in events.iter().filter(|event| event["type"] == "frame") {
        let folder = Path::new(frame["segment"].as_str().unwrap()).parent().unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        found.entry(name).or_default().push(frame["timestamp"].as_f64().unwrap());
    }
    found
}

#[test]
fn recordings_of_several_folders_match_each_alone() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = segments(folder.path(), "");
    // The second one is shorter; both begin at the same PTS.
    let paths = [("a", 4), ("b", 2)].map(|(name, count)| {
        fs::create_dir(folder.path().join(name)).unwrap();
        let copy = |path: &PathBuf| {
            let copy = folder.path().join(name).join(path.file_name().unwrap());
            fs::copy(path, &copy).unwrap();
            copy
        };
        recorded[..count].iter().map(copy).collect::<Vec<_>>()
    });
    for detect in ["--detect scene", "--detect screen", "--detect adaptive"] {
        let mut expected = BTreeMap::new();
        for (n, alone) in paths.iter().enumerate() {
            let out = folder.path().join(format!("alone{n}"));
            expected.extend(by_folder(&events_of(alone, &out, &format!("{detect} --overwrite"))));
        }
        let out = folder.path().join("together");
        let events = events_of(&paths.concat(), &out, &format!("{detect} --overwrite"));
        assert_eq!(by_folder(&events), expected, "{detect}");
        // A later run goes on after part of them, and gives the same.
        let out = folder.path().join("later");
        events_of(&paths.concat()[..5], &out, &format!("{detect} --overwrite"));
        let events = events_of(&paths.concat(), &out, detect);
        assert_eq!(by_folder(&events), expected, "{detect}, by two runs");
        // Both grow from run to run.
        let out = folder.path().join("grown");
        let grown = |count| paths.iter().flat_map(move |of| of.iter().take(count).cloned());
        events_of(&grown(1).collect::<Vec<_>>(), &out, &format!("{detect} --overwrite"));
        events_of(&grown(2).collect::<Vec<_>>(), &out, detect);
        let found = by_folder(&events_of(&paths.concat(), &out, detect));
        if detect == "--detect screen" {
            // A frame that was kept for the end of a run stays.
            let is_there = |folder: &String, time: &f64| found[folder].contains(time);
            let mut times = expected
                .iter()
                .flat_map(|(folder, times)| times.iter().map(move |time| (folder, time)));
            assert!(times.all(|(folder, time)| is_there(folder, time)), "{found:?}");
        } else {
            assert_eq!(found, expected, "{detect}, grown");
        }
    }
    // Given in the wrong order, a recording loses frames no more.
    let backward: Vec<PathBuf> = paths[0].iter().rev().cloned().collect();
    let events = events_of(&backward, &folder.path().join("backward"), "");
    let shown = |event: &&Value| event["type"] == "segment_done";
    assert!(events.iter().filter(shown).all(|done| done["events"].as_u64() >= Some(1)));
}

#[test]
fn segment_by_another_name_is_not_decoded_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("old")).unwrap();
    let paths = segments(&folder.path().join("old"), "");
    let name = |path: &PathBuf| path.file_name().unwrap().to_owned();
    let first = &paths[..3];
    let whole = events_of(&paths, &folder.path().join("whole"), "--detect screen");
    let out = folder.path().join("out");
    events_of(first, &out, "--detect screen");
    let known = pictures(&out);
    // By a link, by a path with dots, and both names at once.
    std::os::unix::fs::symlink(folder.path().join("old"), folder.path().join("link")).unwrap();
    let by = |before: &str| {
        let path = |path| folder.path().join(before).join(name(path));
        first.iter().map(path).collect::<Vec<_>>()
    };
    for names in [by("link"), [by("old/../old"), by("old")].concat()] {
        let events = events_of(&names, &out, "--detect screen");
        assert!(events.iter().all(|event| event["type"] != "error"), "{events:?}");
        let done = events.iter().filter(|event| event["type"] == "segment_done").count();
        assert_eq!((done, &pictures(&out)), (3, &known), "{names:?}");
    }
    // Moved: the pictures, and the segments, of which more come.
    fs::rename(folder.path().join("old"), folder.path().join("moved")).unwrap();
    fs::rename(&out, folder.path().join("later")).unwrap();
    let moved: Vec<_> =
        paths.iter().map(|path| folder.path().join("moved").join(name(path))).collect();
    let out = folder.path().join("later");
    let events = events_of(&moved, &out, "--detect screen");
    assert_eq!(times(&events), times(&whole));
    for frame in events.iter().filter(|event| event["type"] == "frame") {
        for path in ["path", "segment"].map(|field| frame[field].as_str().unwrap()) {
            assert!(Path::new(path).exists(), "{frame}");
        }
    }
}

#[test]
fn overwrite_with_same_options_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    generate(&path, &[("testsrc2=s=160x120:r=25", 1.0)], QUICK);
    let out = folder.path().join("out");
    let paths = [path];
    events_of(&paths, &out, "");
    let picture = out.join("F000001.jpg");
    let whole = std::fs::read(&picture).unwrap();
    std::fs::write(&picture, "").unwrap();
    // Finished work is not repeated, but said to be damaged.
    let mut again = scenes(&paths, &out, "--detect scene --stats-interval 0");
    assert_eq!(again.finish().code(), Some(1));
    assert_eq!(again.of_type("error")[0]["code"], "missing");
    assert!(std::fs::read(&picture).unwrap().is_empty());
    events_of(&paths, &out, "--overwrite");
    assert_eq!(std::fs::read(&picture).unwrap(), whole);
}
