//! Decoding in cht-scenes: keyframes only, hardware decoders, failing decoders, and changes of the
//! stream.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cht_tests::{
    Stage, b3sum_of_jpeg, decoder_stub, encode, generate, of_type, probe_frames, tool, words,
};
use serde_json::Value;

/// Five seconds of frames that all differ.
const MOVING: &str = "testsrc2=s=320x240:r=25:d=5";

/// Options that keep every decoded frame.
const ALL: &str = "--detect scene --threshold 0 --min-gap 0";

const CODERS: [(&str, &str); 6] = [
    ("closed", "-c:v libx264 -preset veryfast -bf 3 -g 25 -sc_threshold 0"),
    ("open", "-c:v libx264 -preset veryfast -bf 3 -g 28 -sc_threshold 0 -x264-params open-gop=1"),
    (
        "cavlc",
        "-c:v libx264 -preset veryfast -bf 3 -g 28 -sc_threshold 0 -x264-params open-gop=1:cabac=0:slices=3:tff=1",
    ),
    ("hevc", "-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=0:keyint=25"),
    (
        "hevc_open",
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:keyint=29:bframes=4",
    ),
    ("mpeg2", "-c:v mpeg2video -bf 2 -g 15 -b:v 2M"),
];

/// Runs cht-scenes over paths, and returns its events and its stderr.
fn scenes(paths: &[PathBuf], out: &Path, options: &str) -> (Vec<Value>, String) {
    let messages = out.with_extension("stderr");
    let mut command = tool("cht-scenes");
    command.arg("--out").arg(out).args(words(options)).stderr(fs::File::create(&messages).unwrap());
    let mut stage = Stage::fed(&mut command, paths.iter().map(|path| path.display()));
    let status = stage.finish();
    let said = fs::read_to_string(messages).unwrap();
    let errors = stage.of_type("error").len();
    assert_eq!(status.code(), Some(i32::from(errors > 0)), "{said}");
    (stage.events.clone(), said)
}

/// Returns the hash of each kept picture, by PTS.
fn kept(events: &[Value]) -> BTreeMap<i64, String> {
    let frames = of_type(events, "frame").into_iter();
    frames
        .map(|frame| {
            (
                frame["pts"].as_i64().unwrap(),
                b3sum_of_jpeg(Path::new(frame["path"].as_str().unwrap())),
            )
        })
        .collect()
}

fn decoded(events: &[Value]) -> Vec<u64> {
    let done = of_type(events, "segment_done").into_iter();
    done.map(|done| done["decoded"].as_u64().unwrap()).collect()
}

/// Returns the PTS of the keyframes by ffprobe.
fn keyframes(path: &Path) -> Vec<i64> {
    let output = Command::new("ffprobe")
        .args(words("-v error -select_streams v:0 -show_entries packet=pts,flags -of csv=p=0"))
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let marked = text.lines().filter(|line| line.contains(",K"));
    let mut found: Vec<i64> =
        marked.map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn keyframes_alone_match_those_of_full_decoding() {
    let folder = tempfile::tempdir().unwrap();
    for (name, coder) in CODERS {
        let path = folder.path().join(format!("{name}.ts"));
        encode(&path, MOVING, coder);
        let expected = keyframes(&path);
        assert!(expected.len() >= 4, "{name}");
        let (events, said) = scenes(
            std::slice::from_ref(&path),
            &folder.path().join(name),
            &format!("{ALL} --decode keyframes"),
        );
        let found = kept(&events);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), expected, "{name}: {said}");
        assert_eq!(decoded(&events), [expected.len() as u64], "{name}: leading pictures came out");
        let (all, _) = scenes(&[path], &folder.path().join(format!("{name}_all")), ALL);
        let all = kept(&all);
        for (pts, picture) in found {
            assert_eq!(all.get(&pts), Some(&picture), "{name}: the picture at {pts}");
        }
    }
}

#[test]
fn segment_between_keyframes_gives_its_own_keyframes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.ts");
    encode(&whole, MOVING, CODERS[1].1);
    let expected = keyframes(&whole);
    let bytes = fs::read(&whole).unwrap();
    // Twelve parts, cut anywhere: most of them hold no keyframe.
    let size = bytes.len().div_ceil(12 * 188) * 188;
    let paths: Vec<PathBuf> = (10..22).map(|n| folder.path().join(format!("{n}.ts"))).collect();
    for (path, part) in paths.iter().zip(bytes.chunks(size)) {
        fs::write(path, part).unwrap();
    }
    let (events, _) =
        scenes(&paths, &folder.path().join("out"), &format!("{ALL} --decode keyframes"));
    assert_eq!(kept(&events).into_keys().collect::<Vec<_>>(), expected);
    assert_eq!(of_type(&events, "segment_done").len(), 12);
    assert!(of_type(&events, "error").is_empty(), "{events:?}");
    // One that has none at all.
    let (events, _) = scenes(&paths[1..2], &folder.path().join("one"), "--decode keyframes");
    assert_eq!(decoded(&events), [0]);
    assert!(of_type(&events, "error").is_empty(), "{events:?}");
}

#[test]
fn detectors_accept_keyframes_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    encode(
        &path,
        "color=white:s=320x240:r=25:d=5,drawbox=enable='gte(t,2)':c=black:w=200:h=200:t=fill",
        CODERS[0].1,
    );
    for detector in ["scene", "adaptive", "screen", "auto"] {
        let options = format!("--detect {detector} --decode keyframes");
        let (events, _) =
            scenes(std::slice::from_ref(&path), &folder.path().join(detector), &options);
        assert_eq!(decoded(&events), [5], "{detector}");
        assert!(!kept(&events).is_empty(), "{detector}");
    }
}

#[test]
fn broken_hwaccel_falls_back_to_cpu_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    encode(&path, MOVING, CODERS[0].1);
    let paths = std::slice::from_ref(&path);
    let (expected, said) = scenes(paths, &folder.path().join("none"), "");
    assert!(!said.contains("--hwaccel"), "{said}");
    for (name, device) in [("cuda", "/dev/nvidiactl"), ("vaapi", "/dev/dri")] {
        if Path::new(device).exists() {
            println!("skipped: this machine has {device}");
            continue;
        }
        let (events, said) = scenes(paths, &folder.path().join(name), &format!("--hwaccel {name}"));
        let warning = format!(
            "--hwaccel {name}: decoding on the processor instead; {name}: ffmpeg ended with "
        );
        let line =
            said.lines().find(|line| line.contains(&warning)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.contains("No device available for decoder"), "{line}");
        assert_eq!(kept(&events), kept(&expected));
    }
}

/// Decodes four segments with an ffmpeg that runs `what` in the middle of the second.
fn with_a_decoder_that(folder: &Path, what: &str) -> (Vec<Value>, Vec<PathBuf>) {
    let paths: Vec<PathBuf> = (1..5).map(|n| folder.join(format!("{n}.ts"))).collect();
    for (n, path) in paths.iter().enumerate() {
        let source = ["testsrc2", "mandelbrot", "smptebars", "testsrc"][n];
        let coder = format!("{} -output_ts_offset {}", CODERS[0].1, 10 + n * 5);
        encode(path, &format!("{source}=s=320x240:r=25,trim=duration=5"), &coder);
    }
    // Into the second: half of it.
    let length = |n: usize| fs::metadata(&paths[n]).unwrap().len();
    let first = length(0) + length(1) / 2;
    // Only the first decoder is broken; it dies or hangs within the second segment.
    let script = format!(
        "if [ -e {marker} ]; then exec ffmpeg \"$@\"; fi\n: >{marker}\n\
         echo 'the device is on fire' >&2\nhead -c {first} | ffmpeg \"$@\"\n{what}",
        marker = folder.join("marker").display()
    );
    let stub = decoder_stub(folder, &script);
    let options = format!("--detect scene --decoder-timeout 1 --ffmpeg {}", stub.display());
    let (events, _) = scenes(&paths, &folder.join("out"), &options);
    (events, paths)
}

fn check_second_failed(events: &[Value], paths: &[PathBuf], code: &str) {
    let errors = of_type(events, "error");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["code"], code);
    assert_eq!(errors[0]["path"], paths[1].to_str().unwrap());
    assert!(errors[0]["message"].as_str().unwrap().contains("the device is on fire"), "{errors:?}");
    let done = decoded(events);
    assert_eq!((done[0], &done[2..]), (125, &[125, 125][..]), "{done:?}");
    let order: Vec<_> = of_type(events, "segment_done").iter().map(|done| &done["path"]).collect();
    assert_eq!(order, paths.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>());
    let of = |path: &PathBuf| {
        let frames = of_type(events, "frame").into_iter();
        frames.filter(|frame| frame["segment"] == path.to_str().unwrap()).count()
    };
    assert!(of(&paths[0]) >= 1 && of(&paths[2]) >= 1 && of(&paths[3]) >= 1);
}

#[test]
fn crashed_decoder_costs_one_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (events, paths) = with_a_decoder_that(folder.path(), "kill -9 $$");
    check_second_failed(&events, &paths, "decoder_failed");
}

#[test]
fn hung_decoder_costs_one_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (events, paths) = with_a_decoder_that(folder.path(), "exec tail -f /dev/null");
    check_second_failed(&events, &paths, "decoder_hung");
}

#[test]
fn segment_removed_before_second_decoding_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let third = folder.path().join("3.ts");
    // It has taken all segments when it dies, and the third is gone.
    let what = format!("cat >/dev/null\nrm {}\nkill -9 $$", third.display());
    let (events, paths) = with_a_decoder_that(folder.path(), &what);
    let errors: Vec<_> =
        of_type(&events, "error").iter().map(|error| (&error["code"], &error["path"])).collect();
    let expected = [("decoder_failed", &paths[1]), ("unreadable", &paths[2])];
    let expected = expected.map(|(code, path)| (code.into(), path.to_str().unwrap().into()));
    assert_eq!(errors, expected.each_ref().map(|(code, path): &(Value, Value)| (code, path)));
    let done: Vec<_> = of_type(&events, "segment_done").iter().map(|done| &done["path"]).collect();
    assert_eq!(done, [0, 1, 3].map(|n| paths[n].to_str().unwrap()));
}

/// Encodes five seconds with each coder on one clock, as single files and as one.
fn in_turn(folder: &Path, coders: &[(&str, &str)]) -> (Vec<PathBuf>, PathBuf, usize) {
    let sources = ["testsrc2", "smptebars", "mandelbrot"];
    let mut paths = Vec::new();
    for (n, (size, coder)) in coders.iter().enumerate() {
        let path = folder.join(format!("{n}.ts"));
        let source = format!("{}=s={size}:r=25,trim=duration=5", sources[n]);
        encode(&path, &source, &format!("{coder} -output_ts_offset {}", 10 + n * 5));
        paths.push(path);
    }
    let whole = folder.join("whole.ts");
    fs::write(
        &whole,
        paths.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>().concat(),
    )
    .unwrap();
    let frames = paths.iter().map(|path| probe_frames(path).len()).sum();
    (paths, whole, frames)
}

fn check_changes(coders: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    let (parts, whole, frames) = in_turn(folder.path(), coders);
    for (n, paths) in [parts, vec![whole]].iter().enumerate() {
        for detector in ["scene", "auto"] {
            let options = format!("--detect {detector} --max-interval 0");
            let out = folder.path().join(format!("{detector}_{n}"));
            let (events, said) = scenes(paths, &out, &options);
            assert!(of_type(&events, "error").is_empty(), "{said}");
            let total: u64 = decoded(&events).iter().sum();
            assert_eq!(
                (total, decoded(&events).len()),
                (frames as u64, paths.len()),
                "{detector}: {said}"
            );
            // Each part begins with a picture that is kept, at its time and in its size.
            for (part, (size, _)) in coders.iter().enumerate() {
                let found = of_type(&events, "frame").into_iter().any(|frame| {
                    let late = frame["timestamp"].as_f64().unwrap() - 5.0 * part as f64;
                    late.abs() < 0.5 && format!("{}x{}", frame["width"], frame["height"]) == **size
                });
                assert!(found, "{detector}, part {part}: {:?}", of_type(&events, "frame"));
            }
        }
    }
}

const H264: &str = "-c:v libx264 -preset ultrafast -bf 2 -g 25";
const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25";
const MPEG2: &str = "-c:v mpeg2video -bf 2 -g 15 -b:v 2M";

#[test]
fn change_of_size_loses_no_frame() {
    check_changes(&[("320x240", H264), ("640x360", H264), ("320x180", H264)]);
}

#[test]
fn change_of_codec_loses_no_frame() {
    check_changes(&[("320x240", H264), ("320x240", HEVC), ("320x240", MPEG2)]);
}

#[test]
fn change_of_pid_loses_no_frame() {
    let other = format!("{H264} -streamid 0:600");
    check_changes(&[("320x240", H264), ("320x240", &other), ("320x240", H264)]);
}

#[test]
fn stream_without_early_keyframe_is_no_decoder_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    let encoder = "-c:v libx264 -preset ultrafast -g 75 -keyint_min 75 -sc_threshold 0 -bf 0";
    generate(&path, &[("testsrc2=s=320x240:r=25", 8.0)], encoder);
    // The tables, and from the first group of pictures on to the beginning of the second.
    let bytes = fs::read(&path).unwrap();
    let packets: Vec<_> = bytes.chunks_exact(188).collect();
    let cut = [&packets[..3], &packets[packets.len() / 16..packets.len() * 3 / 8 + 20]].concat();
    fs::write(&path, cut.concat()).unwrap();
    let (events, _) = scenes(&[path], &folder.path().join("out"), "--detect scene");
    assert_eq!(of_type(&events, "error").len(), 0, "{events:?}");
    assert_eq!(of_type(&events, "frame").len(), 1);
}

#[test]
fn parameter_sets_that_came_once_are_those_of_the_file_before() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("x.mp4");
    // ffmpeg repeats the sets of an MP4 file at IDR pictures, of which open groups have none.
    let coder =
        "-c:v libx264 -preset veryfast -bf 2 -x264opts open-gop=1:keyint=25 -pix_fmt yuv420p";
    let path = whole.to_str().unwrap();
    cht_tests::ffmpeg(["-f", "lavfi", "-i", MOVING].into_iter().chain(words(coder)).chain([path]));
    let cut = folder.path().join("cut%d.ts");
    let segments = "-c copy -f segment -segment_time 1 -segment_format mpegts";
    cht_tests::ffmpeg(
        ["-i", path].into_iter().chain(words(segments)).chain([cut.to_str().unwrap()]),
    );
    let files: Vec<_> = (0..5).map(|n| folder.path().join(format!("cut{n}.ts"))).collect();
    assert!(files.iter().all(|file| file.exists()));
    let (events, said) = scenes(&files, &folder.path().join("all"), ALL);
    let all = kept(&events);
    assert!(all.len() >= 124, "{said}");
    for options in [ALL, "--detect scene --threshold 0 --min-gap 0 --jobs 3"] {
        let out = folder.path().join(format!("last{}", options.len()));
        let (events, said) = scenes(&files[3..], &out, options);
        let last = kept(&events);
        assert!(last.len() >= 48, "{}: {said}", last.len());
        assert!(last.iter().all(|(pts, picture)| all.get(pts) == Some(picture)));
    }
    // Without the files before.
    let alone = folder.path().join("alone");
    fs::create_dir(&alone).unwrap();
    let alone = alone.join("cut3.ts");
    fs::copy(&files[3], &alone).unwrap();
    let (events, _) = scenes(&[alone], &folder.path().join("none"), ALL);
    let error = of_type(&events, "error").remove(0);
    assert_eq!(error["code"], "undecodable");
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("it has no parameter sets, nor has any file of its series"),
        "{message}"
    );
}
