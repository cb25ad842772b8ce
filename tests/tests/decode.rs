//! Decoding in cht-scenes: parts of the stream, other decoders, and decoders that fail.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use cht_tests::{b3sum_of_jpeg, ffmpeg, generate, probe_frames, tool, words};
use serde_json::Value;

/// Five seconds in which every frame differs from the one before.
const MOVING: &str = "testsrc2=s=320x240:r=25:d=5";

/// Every frame that is decoded.
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

fn encode(path: &Path, source: &str, coder: &str) {
    let arguments = ["-f", "lavfi", "-i", source].into_iter().chain(words(coder));
    ffmpeg(arguments.chain(["-pix_fmt", "yuv420p", "-f", "mpegts", path.to_str().unwrap()]));
}

/// `ls … | cht-scenes`; its events and what it said.
fn scenes(paths: &[PathBuf], out: &Path, options: &str) -> (Vec<Value>, String) {
    let mut command = tool("cht-scenes");
    command.arg("--out").arg(out).args(words(options)).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for path in paths {
        writeln!(stdin, "{}", path.display()).unwrap();
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = std::str::from_utf8(&output.stdout).unwrap().lines();
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let errors = of_type(&events, "error").len();
    assert_eq!(output.status.code(), Some(i32::from(errors > 0)), "{said}");
    (events, said)
}

fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

/// PTS and contents of the pictures that were kept.
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

/// PTS of the keyframes, by ffprobe.
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
fn keyframes_alone_have_the_times_and_the_pictures_that_they_have_among_all() {
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
fn a_segment_that_begins_between_keyframes_gives_those_that_it_has() {
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
fn every_detector_takes_keyframes() {
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
fn hardware_that_does_not_work_is_replaced_and_named() {
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

/// An executable shell script.
fn script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Four segments of a run, and an ffmpeg that does `what` instead of its work when it gets to the second.
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
    let (marker, stub) = (folder.join("marker"), folder.join("ffmpeg"));
    // Only the first decoder is broken; it dies or hangs within the second segment.
    script(
        &stub,
        &format!(
            "case \" $* \" in *' pipe:0 '*) ;; *) exec ffmpeg \"$@\" ;; esac\n\
             if [ -e {marker} ]; then exec ffmpeg \"$@\"; fi\n: >{marker}\n\
             echo 'the device is on fire' >&2\n\
             head -c {first} | ffmpeg \"$@\"\n{what}\n",
            marker = marker.display()
        ),
    );
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
fn a_decoder_that_dies_costs_one_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (events, paths) = with_a_decoder_that(folder.path(), "kill -9 $$");
    check_second_failed(&events, &paths, "decoder_failed");
}

#[test]
fn a_decoder_that_hangs_is_stopped_and_costs_one_segment() {
    let folder = tempfile::tempdir().unwrap();
    let (events, paths) = with_a_decoder_that(folder.path(), "exec tail -f /dev/null");
    check_second_failed(&events, &paths, "decoder_hung");
}

#[test]
fn segment_removed_before_it_is_decoded_again_is_an_error_event() {
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

/// Five seconds each, one after the other on one clock, as files of their own and as one.
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
fn a_change_of_size_loses_no_frame() {
    check_changes(&[("320x240", H264), ("640x360", H264), ("320x180", H264)]);
}

#[test]
fn a_change_of_codec_loses_no_frame() {
    check_changes(&[("320x240", H264), ("320x240", HEVC), ("320x240", MPEG2)]);
}

#[test]
fn a_change_of_pid_loses_no_frame() {
    let other = format!("{H264} -streamid 0:600");
    check_changes(&[("320x240", H264), ("320x240", &other), ("320x240", H264)]);
}

#[test]
fn stream_that_begins_long_before_a_keyframe_is_no_failure_of_the_decoder() {
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
