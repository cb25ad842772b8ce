//! Screens at rest: returning slides, fast decoding, live slides and small changes.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
};

use cht_tests::{Pipeline, ffmpeg, generate, pictures, stamps, words};
use serde_json::{Value, json};

const BARS: &str = "smptebars=s=640x360:r=25";
const COLOURS: &str = "rgbtestsrc=s=640x360:r=25";
const OTHERS: &str = "pal75bars=s=640x360:r=25";

/// Duration of a slide, in seconds.
const SECONDS: f64 = 8.0;

/// Generates slides of eight seconds, two of which come back.
fn deck(folder: &Path) -> PathBuf {
    deck_of(folder, SECONDS)
}

/// Generates the same deck with `seconds` per slide.
fn deck_of(folder: &Path, seconds: f64) -> PathBuf {
    let path = folder.join("deck.ts");
    let slides = [BARS, COLOURS, OTHERS, BARS, COLOURS].map(|slide| (slide, seconds));
    generate(&path, &slides, "-c:v libx264 -preset ultrafast -g 50 -sc_threshold 0");
    path
}

/// Makes the same deck with only this many pictures of each slide, as one file and as two, of which
/// the second begins with the fourth slide.
fn sparse(deck: &Path, seconds: f64, pictures: u32) -> [PathBuf; 3] {
    let name = |name: &str| deck.with_file_name(format!("of{pictures}_{name}.ts"));
    let [whole, parts, first, second] = ["whole", "part%d", "part0", "part1"].map(name);
    let select = format!("select=lt(mod(n\\,{})\\,{pictures})", 25.0 * seconds);
    let fourth = 3.0 * seconds - 0.1;
    let encoder =
        format!("-fps_mode vfr -c:v libx264 -preset ultrafast -bf 0 -force_key_frames 0,{fourth}");
    let encoder = words(&encoder);
    let [input, output] = [deck, &whole].map(|path| path.to_str().unwrap());
    ffmpeg([&["-i", input, "-vf", &select][..], &encoder, &["-f", "mpegts", output]].concat());
    let parts = parts.to_str().unwrap();
    let cut = format!("-c copy -f segment -segment_times {} -segment_format mpegts", fourth - 0.9);
    let cut = words(&cut);
    ffmpeg([&["-copyts", "-i", output][..], &cut, &[parts]].concat());
    [whole, first, second]
}

/// Runs cht-scenes with the screen detector over a path, and returns its events.
fn scenes(path: &Path, out: &Path, options: &str) -> Vec<Value> {
    scenes_of(&[path], out, options)
}

/// Does the same over several segments.
fn scenes_of(paths: &[&Path], out: &Path, options: &str) -> Vec<Value> {
    scenes_by(paths, out, &format!("--detect screen --max-interval 0 {options}"))
}

/// Does the same with only these options.
fn scenes_by(paths: &[&Path], out: &Path, options: &str) -> Vec<Value> {
    cht_tests::scenes(paths, out, options).succeed()
}

/// Returns these fields of all frames.
fn frames(events: &[Value], fields: &[&str]) -> Vec<Value> {
    let frames = events.iter().filter(|event| event["type"] == "frame");
    frames
        .map(|frame| json!(fields.iter().map(|f| frame[*f].clone()).collect::<Vec<_>>()))
        .collect()
}

#[test]
fn returned_slide_is_named_and_dedupe_writes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = deck(folder.path());
    let out = folder.path().join("all");
    let events = scenes(&path, &out, "");
    let expected = [
        json!(["F000001", null]),
        json!(["F000002", null]),
        json!(["F000003", null]),
        json!(["F000004", "F000001"]),
        json!(["F000005", "F000002"]),
    ];
    assert_eq!(frames(&events, &["id", "returned_to"]), expected);
    assert_eq!(pictures(&out).len(), 5);

    let out = folder.path().join("once");
    let once = scenes(&path, &out, "--dedupe");
    assert_eq!(frames(&once, &["id", "returned_to"]), expected);
    assert_eq!(frames(&once, &["id", "timestamp"]), frames(&events, &["id", "timestamp"]));
    assert_eq!(pictures(&out).len(), 3);
    for frame in once.iter().filter(|event| event["type"] == "frame") {
        assert!(Path::new(frame["path"].as_str().unwrap()).exists());
        let shown = frame["returned_to"].as_str().or(frame["id"].as_str()).unwrap();
        assert!(frame["path"].as_str().unwrap().ends_with(&format!("{shown}.jpg")), "{frame}");
    }
    // A second run emits the same.
    let again = scenes(&path, &out, "--dedupe");
    assert_eq!(frames(&again, &["id", "path"]), frames(&once, &["id", "path"]));
}

#[test]
fn fast_decoding_skips_still_gops_and_misses_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = deck(folder.path());
    let decoded = |events: &[Value]| {
        let done = events.iter().find(|event| event["type"] == "segment_done").unwrap();
        done["decoded"].as_u64().unwrap()
    };
    let full = scenes(&path, &folder.path().join("full"), "");
    let fast = scenes(&path, &folder.path().join("fast"), "--decode fast");
    assert_eq!(frames(&fast, &["id", "returned_to"]), frames(&full, &["id", "returned_to"]));
    let changes = |events: &[Value]| -> Vec<f64> {
        frames(events, &["change"]).iter().skip(1).map(|frame| frame[0].as_f64().unwrap()).collect()
    };
    // The change is placed to the frame, not to the keyframe that shows it.
    assert_eq!(changes(&fast), changes(&full));
    assert_eq!(decoded(&full), 5 * 200);
    assert!(decoded(&fast) < decoded(&full) / 2, "{} frames decoded", decoded(&fast));
}

#[test]
fn change_during_due_interval_keeps_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let deck = deck(folder.path());
    // A slide is shown for eight seconds, and is at rest after a while. A picture for the interval
    // is looked for in its last half second.
    for (detect, reason, interval, last) in
        [("screen", "screen", 8.8, None), ("adaptive", "scene", 8.3, Some("interval"))]
    {
        let options = format!("--detect {detect} --max-interval {interval}");
        let events = scenes_by(&[&deck], &folder.path().join(detect), &options);
        let reasons: Vec<_> = frames(&events, &["reason"]);
        let expected: Vec<_> =
            ["first", reason, reason, reason, reason].into_iter().chain(last).collect();
        let expected: Vec<_> = expected.into_iter().map(|reason| json!([reason])).collect();
        assert_eq!(reasons, expected, "{detect}");
    }
}

#[test]
fn slides_of_few_pictures_are_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let deck = deck(folder.path());
    for pictures in [1, 2, 3] {
        let [whole, first, second] = sparse(&deck, SECONDS, pictures);
        let out = |name: &str| folder.path().join(format!("{name}{pictures}"));
        let scores = out("scores");
        let options = format!("--scores {}", scores.display());
        let kept = scenes(&whole, &out("all"), &options);
        let slides: Vec<f64> = frames(&kept, &["timestamp"])
            .iter()
            .map(|frame| (frame[0].as_f64().unwrap() / 8.0).floor())
            .collect();
        assert_eq!(slides, [0.0, 1.0, 2.0, 3.0, 4.0], "{pictures} pictures a slide");

        // Decided again from the scores, and by two runs, the first of which ends within a slide.
        let fields = ["id", "timestamp", "returned_to", "change", "hash"];
        let again = format!("--from-scores {}", scores.display());
        let again = scenes_of(&[], &out("again"), &again);
        assert_eq!(frames(&again, &fields), frames(&kept, &fields));
        scenes(&first, &out("parts"), "");
        let parts = scenes_of(&[&first, &second], &out("parts"), "");
        // Each picture names its segment.
        let fields = &fields[..4];
        assert_eq!(frames(&parts, fields), frames(&kept, fields));
    }
}

/// Returns the bytes of each slide of a stream with this many pictures of each.
fn slides(stream: &[u8], pictures: usize) -> Vec<&[u8]> {
    let begins = stamps::units(stream).into_iter().step_by(pictures).skip(1);
    let mut ends: Vec<usize> = begins.map(|unit| unit.offset).collect();
    ends.push(stream.len());
    let begins = std::iter::once(0).chain(ends.clone());
    begins.zip(&ends).map(|(from, &to)| &stream[from..to]).collect()
}

#[test]
fn resting_live_slide_is_announced_without_more_input() {
    let folder = tempfile::tempdir().unwrap();
    // Pictures that come earlier than their times by more than that would have to be confirmed by
    // others.
    let deck = deck_of(folder.path(), 2.0);
    for pictures in [1, 2] {
        let stream = fs::read(&sparse(&deck, 2.0, pictures)[0]).unwrap();
        let options = "--detect screen --max-interval 0 --stats-interval 0";
        let sessions = folder.path().join(format!("sessions{pictures}"));
        let mut pipeline = Pipeline::start(&sessions, "--once", options);
        let mut sender = TcpStream::connect(&pipeline.address).unwrap();
        for (n, slide) in (1..5).zip(slides(&stream, pictures as usize)) {
            sender.write_all(slide).unwrap();
            while pipeline.index.of_type("frame").len() < n {
                pipeline.index.wait_for("frame");
            }
        }
        assert!(pipeline.index.of_type("segment_closed").is_empty());
        drop(sender);
        pipeline.succeed();
        assert!(pipeline.index.of_type("error").is_empty());

        // Frames selected ahead of the next picture are those selected with all pictures known.
        let segment = pipeline.index.of_type("segment_closed")[0]["path"].clone();
        let out = folder.path().join(format!("finished{pictures}"));
        let finished = scenes(Path::new(segment.as_str().unwrap()), &out, "");
        let fields = ["id", "timestamp", "reason", "change", "scores", "returned_to", "hash"];
        assert_eq!(frames(&pipeline.index.events, &fields), frames(&finished, &fields));
        assert_eq!(frames(&finished, &["id"]).len(), 4, "{pictures} pictures a slide");
        let indexed = |field: &str| -> Vec<Value> {
            pipeline.read_index().iter().map(|frame| frame[field].clone()).collect()
        };
        assert_eq!(json!(indexed("id")), json!(["F000001", "F000002", "F000003", "F000004"]));
    }
}

#[test]
fn resting_live_slide_is_announced_at_end_of_segment() {
    let folder = tempfile::tempdir().unwrap();
    let deck = deck_of(folder.path(), 2.0);
    let stream = fs::read(&sparse(&deck, 2.0, 1)[0]).unwrap();
    let options = "--detect screen --max-interval 0 --stats-interval 0";
    let recv = "--once --segment-max-bytes 256k";
    let mut pipeline = Pipeline::start(&folder.path().join("sessions"), recv, options);
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    // Other streams go on, up to where no segment grows that has a picture.
    let others = [&[0x47, 0x1F, 0xFF, 0x10], &[0xFF; 184][..]].concat().repeat(1500);
    for (n, slide) in (1..4).zip(slides(&stream, 1)) {
        sender.write_all(slide).unwrap();
        sender.write_all(&others).unwrap();
        while pipeline.index.of_type("frame").len() < n {
            pipeline.index.wait_for("frame");
        }
    }
    drop(sender);
    pipeline.succeed();
    let closed = pipeline.index.of_type("segment_closed");
    let segments: Vec<_> =
        closed.iter().map(|segment| PathBuf::from(segment["path"].as_str().unwrap())).collect();
    assert!(segments.len() > 3, "{} segments", segments.len());
    let segments: Vec<_> = segments.iter().map(PathBuf::as_path).collect();
    let finished = scenes_of(&segments, &folder.path().join("finished"), "");
    let fields = ["id", "timestamp", "reason", "change", "returned_to", "hash"];
    assert_eq!(frames(&pipeline.index.events, &fields), frames(&finished, &fields));
}

/// Film, and a cut to what rests at a keyframe, also at the first one of a segment: the detectors,
/// which decide some frames later, find those frames.
#[test]
fn fast_decoding_keeps_one_picture_per_state() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.ts");
    let shots = [("testsrc2=s=640x360:r=25", 5.0), (BARS, 5.0)];
    generate(&whole, &shots, "-c:v libx264 -preset ultrafast -bf 0 -g 25 -sc_threshold 0");
    let part = |n: &str| folder.path().join(format!("part{n}.ts"));
    let cut = "-c copy -f segment -segment_time 5 -segment_format mpegts";
    let input = ["-i", whole.to_str().unwrap()].into_iter().chain(words(cut));
    cht_tests::ffmpeg(input.chain([part("%d").to_str().unwrap()]));
    for (name, paths) in [("one", vec![whole]), ("two", vec![part("0"), part("1")])] {
        let found = ["full", "fast"].map(|decode| {
            let out = folder.path().join(format!("{name}_{decode}"));
            let options = format!("--stats-interval 0 --decode {decode}");
            let events = cht_tests::scenes(&paths, &out, &options).succeed();
            frames(&events, &["timestamp", "reason"])
        });
        assert_eq!(found[1], found[0], "{name}");
        assert_eq!(found[1], [json!([0.0, "first"]), json!([5.0, "scene"])], "{name}");
    }
}

/// Segments of the digits 0 to 9 on a seven-segment display: clockwise from the top, the middle one
/// last.
const SEGMENTS: [&str; 10] =
    ["012345", "12", "01346", "01236", "1256", "02356", "023456", "012", "0123456", "012356"];

/// Generates a board of 1280 × 720 that shows numbers of this height for 2 s each, next to a clock
/// of seconds and a caret; `finally` filters the result.
fn board(path: &Path, height: usize, numbers: &[usize], finally: &str) {
    let (width, stroke) = (height / 2, height.div_ceil(10));
    let digit = |x: usize, y: usize, digit: usize, when: &str| -> Vec<String> {
        let half = height / 2;
        let strokes = [
            (x, y, width, stroke),
            (x + width - stroke, y, stroke, half),
            (x + width - stroke, y + half, stroke, half),
            (x, y + height - stroke, width, stroke),
            (x, y + half, stroke, half),
            (x, y, stroke, half),
            (x, y + half - stroke / 2, width, stroke),
        ];
        let drawn = SEGMENTS[digit].bytes().map(|segment| strokes[usize::from(segment - b'0')]);
        drawn
            .map(|(x, y, w, h)| format!("drawbox=x={x}:y={y}:w={w}:h={h}:c=black:t=fill{when}"))
            .collect()
    };
    let next = width + width / 2;
    let mut drawn =
        vec!["drawbox=x=700:y=400:w=2:h=20:c=black:t=fill:enable='lt(mod(t,1.06),.53)'".into()];
    for (n, &number) in numbers.iter().enumerate() {
        let when = format!(":enable='gte(t,{0}-.01)*lt(t,{0}+1.99)'", 2 * n);
        for (place, value) in [number / 100, number / 10 % 10, number % 10].into_iter().enumerate()
        {
            drawn.extend(digit(203 + place * next, 302, value, &when));
        }
    }
    for second in 0..2 * numbers.len() {
        let when = format!(":enable='gte(t,{second}-.01)*lt(t,{second}+.99)'");
        drawn.extend(digit(1150, 680, second / 10, &when));
        drawn.extend(digit(1150 + next, 680, second % 10, &when));
    }
    let seconds = 2 * numbers.len();
    let source = format!("color=white:s=1280x720:r=10:d={seconds},{}{finally}", drawn.join(","));
    let encoder = words("-c:v libx264 -preset ultrafast -tune zerolatency -g 40 -f mpegts");
    let path = path.to_str().unwrap();
    ffmpeg(
        [&["-f", "lavfi", "-i", &source, "-pix_fmt", "yuv420p"][..], &encoder, &[path]].concat(),
    );
}

#[test]
fn number_changing_in_place_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    // An upright stroke changes each time: of a level one of two rows the small luma may see
    // nothing.
    let numbers = [123, 126, 196, 190, 890, 892, 832, 132];
    for height in [20, 32] {
        let path = folder.path().join(format!("{height}.ts"));
        board(&path, height, &numbers, "");
        let out = |name: &str| folder.path().join(format!("{name}{height}"));
        let kept = scenes(&path, &out("kept"), "");
        let times = frames(&kept, &["timestamp"]);
        let states: Vec<f64> =
            times.iter().map(|frame| (frame[0].as_f64().unwrap() / 2.0).floor()).collect();
        let expected: Vec<f64> = (0..8).map(f64::from).collect();
        assert_eq!(states, expected, "digits of {height} pixels: {times:?}");

        let ignored = scenes(&path, &out("ignored"), "--ignore 0.1,0.4,0.2,0.1");
        assert_eq!(frames(&ignored, &["id"]).len(), 1);
        let large = scenes(&path, &out("large"), "--min-change 0.01");
        assert_eq!(frames(&large, &["id"]).len(), 1);
        let stats = large.iter().rfind(|event| event["type"] == "stats").unwrap();
        let small = stats["scenes"]["suppressed"]["too_small"].as_u64();
        assert!(small.is_some_and(|small| small >= 6), "{stats}");
    }
}

#[test]
fn number_changing_in_place_returns_to_its_own_frame() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = [123, 126, 196, 126, 123, 190];
    for (height, finally) in [(20, ""), (32, ",negate"), (60, "")] {
        let path = folder.path().join(format!("{height}.ts"));
        board(&path, height, &numbers, finally);
        let out = folder.path().join(format!("out{height}"));
        let events = scenes(&path, &out, "--dedupe");
        let expected = [
            json!(["F000001", null]),
            json!(["F000002", null]),
            json!(["F000003", null]),
            json!(["F000004", "F000002"]),
            json!(["F000005", "F000001"]),
            json!(["F000006", null]),
        ];
        let found = frames(&events, &["id", "returned_to"]);
        assert_eq!(found, expected, "digits of {height} pixels");
        assert_eq!(pictures(&out).len(), 4, "digits of {height} pixels");
    }
}
