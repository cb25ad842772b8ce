//! cht-recv and cht-scenes with streams that no muxer should write: every byte is kept, and
//! segments end and lie where they should.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::fs;

use cht_tests::{
    Pipeline, QUICK, Stage, b3sum, ffmpeg, generate, generated, recording, scenes, source,
    stamps::{WRAP, restamp, units, unstamp},
    tool, words,
};
use serde_json::Value;

/// Returns the output of ffmpeg for a command line without the file's name.
fn made(arguments: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    ffmpeg(words(&format!("{arguments} -f mpegts {}", path.display())));
    fs::read(path).unwrap()
}

/// Recorded session.
struct Recorded {
    folder: tempfile::TempDir,
    closed: Vec<Value>,
    bytes: Vec<u8>,
}

/// Records `bytes`, and checks what holds for any stream.
fn record(bytes: &[u8], options: &str) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let recv = cht_tests::record(folder.path(), bytes, &format!("--session-id call {options}"));
    let closed: Vec<Value> = recv.of_type("segment_closed").into_iter().cloned().collect();
    assert_eq!(b3sum(&recording(&folder.path().join("call"))), b3sum(bytes), "not what was sent");
    let (mut offset, mut time) = (0, i64::MIN);
    for (n, segment) in closed.iter().enumerate() {
        assert_eq!((&segment["seq"], &segment["offset"]), (&(n + 1).into(), &offset.into()));
        offset += segment["bytes"].as_u64().unwrap();
        if let Some(begin) = segment["timeline"]["offset"].as_i64() {
            assert!(begin >= time, "segment {} lies before the one before it", n + 1);
            time = begin;
        }
    }
    Recorded { folder, closed, bytes: bytes.to_owned() }
}

impl Recorded {
    fn reasons(&self) -> Vec<&str> {
        self.closed.iter().map(|segment| segment["end_reason"].as_str().unwrap()).collect()
    }

    /// Checks that the last segment ended with the connection, and all others for this reason.
    fn all_for(&self, reason: &str) {
        let reasons = self.reasons();
        let (last, others) = reasons.split_last().unwrap();
        assert!(others.len() > 1 && others.iter().all(|r| *r == reason), "{reasons:?}");
        assert_eq!(*last, "disconnected");
    }

    /// Checks that each segment lies at the first time stamp of its pictures; `truth` returns the
    /// ticks since the first of the stream for a byte offset.
    fn lies_where(&self, truth: impl Fn(usize) -> i64) {
        for segment in &self.closed {
            let range = segment["offset"].as_u64().unwrap() as usize..;
            let length = segment["bytes"].as_u64().unwrap() as usize;
            let first = units(&self.bytes[range.clone()][..length])
                .into_iter()
                .find(|unit| unit.pts.is_some() && unit.id >= 0xE0)
                .unwrap();
            assert_eq!(
                segment["timeline"]["offset"],
                truth(range.start + first.offset),
                "{segment}"
            );
        }
    }

    /// Checks that each duration in the record ends where the next segment begins.
    fn durations_add_up(&self) {
        for pair in self.closed.windows(2) {
            let begin =
                |n: usize| pair[n]["timeline"]["offset"].as_i64().unwrap() as f64 / 90_000.0;
            let lasts = pair[0]["duration"].as_f64().unwrap();
            assert!((begin(0) + lasts - begin(1)).abs() < 1e-5, "{} {}", pair[0], pair[1]);
        }
    }

    /// Returns the `segment` events of cht-segwatch.
    fn examined(&self) -> Vec<Value> {
        let mut watch = Stage::start(tool("cht-segwatch").arg(self.folder.path().join("call")));
        watch.finish();
        watch.of_type("segment").into_iter().cloned().collect()
    }
}

/// Returns the ticks since the first picture, of a stream with a regular clock.
fn plain(bytes: &[u8]) -> impl Fn(usize) -> i64 + use<> {
    let units = units(bytes);
    let pictures = units.into_iter().filter(|unit| unit.id >= 0xE0);
    let stamps: Vec<_> = pictures.filter_map(|unit| Some((unit.offset, unit.pts?))).collect();
    move |offset| stamps.iter().find(|(at, _)| *at >= offset).unwrap().1 - stamps[0].1
}

/// Returns a stream from the middle of an endless GOP.
fn without_keyframes() -> Vec<u8> {
    let bytes = generated(
        &[("testsrc2=s=320x240:r=25", 7.0)],
        "-c:v libx264 -preset ultrafast -g 100000 -sc_threshold 0 -bf 2",
    );
    let middle = units(&bytes)[20].offset;
    bytes[middle..].to_owned()
}

#[test]
fn stream_without_keyframes_ends_segments_by_time() {
    let bytes = without_keyframes();
    let recorded = record(&bytes, "--segment-time 1 --segment-max-time 1.5");
    recorded.all_for("max_time");
    assert_eq!(recorded.closed.len(), 5);
    recorded.lies_where(plain(&bytes));
    recorded.durations_add_up();
    for segment in recorded.examined() {
        assert!(segment["duration"].as_f64().unwrap() < 1.7, "{segment}");
        assert_eq!(segment["keyframes"], 0);
    }
}

#[test]
fn stream_without_keyframes_ends_segments_by_size() {
    let bytes = without_keyframes();
    let recorded = record(&bytes, "--segment-max-bytes 100k");
    recorded.all_for("max_bytes");
    recorded.lies_where(plain(&bytes));
    recorded.durations_add_up();
    for segment in &recorded.closed {
        assert!(segment["bytes"].as_u64().unwrap() <= 100_000, "{segment}");
        // At a picture, since the pictures are small enough for that.
        assert_eq!(segment["offset"].as_u64().unwrap() % 188, 0);
    }
}

#[test]
fn picture_larger_than_segment_is_divided_between_packets() {
    let bytes = made(
        "-f lavfi -i testsrc2=s=1280x720:r=5:d=3,noise=alls=90 -c:v libx264 -qp 4 -preset ultrafast -g 5 \
         -pix_fmt yuv420p",
    );
    assert!(bytes.len() > 3_000_000, "{}", bytes.len());
    let recorded = record(&bytes, "--segment-max-bytes 64k --segment-time 1");
    assert!(recorded.closed.iter().all(|segment| segment["bytes"].as_u64().unwrap() <= 64_000));
    // Each packet is whole: nothing is lost between two segments.
    for segment in &recorded.closed[..recorded.closed.len() - 1] {
        assert_eq!(segment["bytes"].as_u64().unwrap() % 188, 0, "{segment}");
    }
    assert!(recorded.reasons().contains(&"max_bytes"));
}

#[test]
fn stream_of_keyframes_gives_a_segment_per_frame() {
    let bytes =
        generated(&[("testsrc2=s=320x240:r=25", 2.0)], "-c:v libx264 -preset ultrafast -g 1");
    let recorded = record(&bytes, "--segment-time 0");
    assert_eq!(recorded.closed.len(), 50);
    recorded.all_for("keyframe");
    recorded.lies_where(plain(&bytes));
    recorded.durations_add_up();
    let recorded = record(&bytes, "--segment-time 0.5");
    assert_eq!(recorded.closed.len(), 4);
}

#[test]
fn stream_without_video_is_cut_by_its_audio() {
    let bytes = made("-f lavfi -i sine=d=5 -c:a aac");
    let recorded = record(&bytes, "--segment-time 1");
    recorded.all_for("keyframe");
    assert!((4..=5).contains(&recorded.closed.len()), "{:?}", recorded.reasons());
    recorded.durations_add_up();
}

#[test]
fn stream_without_time_stamps_is_cut_by_size_and_arrival() {
    let mut bytes = source(6.0);
    unstamp(&mut bytes);
    assert!(units(&bytes).iter().all(|unit| unit.pts.is_none()));
    let recorded = record(&bytes, "--segment-max-bytes 64k");
    recorded.all_for("max_bytes");
    // By the packet, and no sooner than it must; tables before the cut go to the next one.
    let sizes: Vec<_> = recorded.closed.iter().map(|s| s["bytes"].as_u64().unwrap()).collect();
    let full = |size: &u64| size.is_multiple_of(188) && (63_000..=64_000).contains(size);
    assert!(sizes[..sizes.len() - 1].iter().all(full), "{sizes:?}");
    assert!(recorded.closed.iter().all(|segment| segment.get("timeline").is_none()));
    // And by the time that it takes to arrive.
    let length = bytes.len();
    let recorded = record(
        &bytes,
        &format!("--segment-time 0 --segment-max-time 0.5 --max-bitrate {}", length * 8 / 2),
    );
    recorded.all_for("max_time");
    assert!((3..=6).contains(&recorded.closed.len()), "{:?}", recorded.reasons());
}

#[test]
fn non_ts_input_is_cut_by_size() {
    let garbage: Vec<u8> =
        (0..500_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let recorded = record(&garbage, "--segment-max-bytes 64k");
    recorded.all_for("max_bytes");
    assert!(recorded.closed.iter().all(|segment| segment["bytes"].as_u64().unwrap() <= 64_000));
}

#[test]
fn change_of_pid_ends_segment() {
    let part = |pid: u32, offset: f64| {
        made(&format!(
            "-f lavfi -i testsrc2=s=320x240:r=25:d=3 {QUICK} -pix_fmt yuv420p -output_ts_offset {offset} \
             -mpegts_start_pid {pid}"
        ))
    };
    let (first, second) = (part(0x100, 0.0), part(0x200, 3.0));
    let bytes = [&first[..], &second[..]].concat();
    let recorded = record(&bytes, "--segment-time 1");
    let expected = ["keyframe", "keyframe", "jump", "keyframe", "keyframe", "disconnected"];
    assert_eq!(recorded.reasons(), expected);
    assert_eq!(recorded.closed[3]["offset"], first.len());
    let pids: Vec<_> = recorded.examined().iter().map(|s| s["video_pid"].clone()).collect();
    assert_eq!(pids, [0x100, 0x100, 0x100, 0x200, 0x200, 0x200]);
}

#[test]
fn clock_wrapping_twice_keeps_timeline() {
    // A slide show: 50 s a picture, for 2.2 × 26.5 hours.
    let frames = 4200;
    let mut bytes = made(&format!(
        "-f lavfi -i testsrc2=s=32x32:r=25 -frames:v {frames} -c:v libx264 -preset ultrafast -g 10 -bf 0 \
         -pix_fmt yuv420p"
    ));
    let first = units(&bytes)[0].pts.unwrap();
    restamp(&mut bytes, |_, ticks| (ticks - first) / 3600 * 50 * 90_000);
    let wraps = units(&bytes).windows(2).filter(|pair| pair[1].pts < pair[0].pts).count();
    assert_eq!(wraps, 2);
    let recorded = record(&bytes, "--segment-time 5000");
    recorded.all_for("keyframe");
    assert_eq!(recorded.closed.len(), 42);
    recorded.durations_add_up();
    let offsets: Vec<_> = units(&bytes).iter().map(|unit| unit.offset).collect();
    recorded.lies_where(|at| offsets.binary_search(&at).unwrap() as i64 * 50 * 90_000);
    let last = recorded.examined().pop().unwrap();
    assert_eq!(last["start"], 4100.0 * 50.0);
}

#[test]
fn clock_wrapping_between_pts_and_dts_keeps_timeline() {
    let mut bytes = source(6.0);
    let truth = plain(&bytes);
    let first = units(&bytes)[0].pts.unwrap();
    // A picture whose PTS has wrapped and whose DTS has not.
    restamp(&mut bytes, |_, ticks| ticks - first + WRAP - 3 * 90_000 - 1000);
    let between = |unit: &cht_tests::stamps::Unit| unit.pts < unit.dts;
    assert!(units(&bytes).iter().any(between));
    let recorded = record(&bytes, "--segment-time 1");
    recorded.all_for("keyframe");
    assert_eq!(recorded.closed.len(), 6);
    recorded.lies_where(truth);
    recorded.durations_add_up();
}

#[test]
fn clock_jumping_back_ends_segment() {
    let mut bytes = source(8.0);
    let middle = units(&bytes)[100].offset;
    restamp(&mut bytes, |offset, ticks| {
        ticks + 20 * 90_000 - if offset < middle { 0 } else { 10 * 90_000 }
    });
    let recorded = record(&bytes, "--segment-time 2");
    assert_eq!(recorded.reasons(), ["keyframe", "jump", "keyframe", "disconnected"]);
    let cut = recorded.closed[2]["offset"].as_u64().unwrap() as usize;
    assert_eq!(cut + first_unit(&bytes[cut..]), middle, "at the very packet");
    // By the clock of arrival: it was sent as fast as it could be.
    let at = |n: usize| recorded.closed[n]["timeline"]["offset"].as_i64().unwrap();
    assert!(at(2) >= at(1) && at(2) - at(1) < 60 * 90_000, "{} {}", at(1), at(2));
}

fn first_unit(bytes: &[u8]) -> usize {
    units(bytes)[0].offset
}

#[test]
fn packets_of_192_bytes_are_cut_whole() {
    let bytes = source(4.0);
    let m2ts: Vec<u8> = bytes
        .chunks(188)
        .enumerate()
        .flat_map(|(n, packet)| [&(n as u32 * 1000).to_be_bytes()[..], packet].concat())
        .collect();
    let recorded = record(&m2ts, "--segment-time 1");
    recorded.all_for("keyframe");
    assert_eq!(recorded.closed.len(), 4);
    let recorded = record(&m2ts, "--segment-max-bytes 64k");
    recorded.all_for("max_bytes");
    for segment in recorded.examined() {
        assert_eq!(segment["packet_size"], 192, "{segment}");
        assert_eq!(segment["bytes"].as_u64().unwrap() % 192, 0, "{segment}");
        assert_eq!(segment["damage"]["skipped_bytes"], 0, "{segment}");
    }
}

#[test]
fn garbage_between_packets_keeps_cuts_at_keyframes() {
    let bytes = source(4.0);
    let garbage = vec![0x47; 5000];
    let middle = units(&bytes)[60].offset;
    let all = [&garbage[..], &bytes[..middle], &garbage[..777], &bytes[middle..]].concat();
    let recorded = record(&all, "--segment-time 1");
    recorded.all_for("keyframe");
    assert_eq!(recorded.closed.len(), 4);
    recorded.durations_add_up();
    let start: Vec<_> = recorded.examined().iter().map(|s| s["start"].as_f64().unwrap()).collect();
    assert_eq!(start, [0.0, 1.0, 2.0, 3.0]);
}

/// Returns times and PTS of the frames kept of a stream, from its file and live.
fn kept(bytes: &[u8]) -> [Vec<(f64, i64)>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    fs::write(&path, bytes).unwrap();
    let frames = |events: Vec<Value>| {
        let frames = events.into_iter().filter(|event| event.get("pts").is_some());
        let place = |frame: Value| (frame["timestamp"].as_f64(), frame["pts"].as_i64());
        frames.map(place).map(|(time, pts)| (time.unwrap(), pts.unwrap())).collect::<Vec<_>>()
    };
    let from_file = frames(scenes(&[path], &folder.path().join("out"), "").succeed());
    let mut pipeline = Pipeline::start(folder.path(), "--once --session-id call", "");
    pipeline.send(bytes);
    pipeline.succeed();
    [from_file, frames(pipeline.read_index())]
}

#[test]
fn wrong_time_stamp_loses_and_moves_no_frame() {
    let shots = [("testsrc2=s=320x240:r=25", 2.0), ("smptebars=s=320x240:r=25", 2.0)];
    let clean = generated(&shots, QUICK);
    let expected = kept(&clean);
    assert_eq!(expected[0], expected[1]);
    assert_eq!(expected[0].len(), 2);
    let pictures: Vec<usize> = units(&clean).iter().map(|unit| unit.offset).collect();
    // Zero, days away, and a moment that a rest would explain.
    let wild: [fn(i64) -> i64; 3] =
        [|_| 0, |ticks| ticks + 90_000 * 40_000, |ticks| ticks + 90_000 * 30];
    for (n, wild) in wild.into_iter().enumerate() {
        for picture in [0, 20] {
            // In the middle of the clock, so that zero is far.
            let mut bytes = clean.clone();
            restamp(&mut bytes, |_, ticks| ticks + 90_000 * 7200);
            let moved = kept_later(&expected, 90_000 * 7200);
            restamp(
                &mut bytes,
                |offset, ticks| {
                    if offset == pictures[picture] { wild(ticks) } else { ticks }
                },
            );
            if n == 2 && picture == 0 {
                continue;
            }
            assert_eq!(kept(&bytes), moved, "{n}, picture {picture}");
        }
    }
}

/// Returns the same frames by a clock that is ahead.
fn kept_later(frames: &[Vec<(f64, i64)>; 2], ticks: i64) -> [Vec<(f64, i64)>; 2] {
    frames.clone().map(|frames| frames.into_iter().map(|(at, pts)| (at, pts + ticks)).collect())
}

#[test]
fn first_picture_without_time_stamp_is_at_beginning() {
    let clean = source(2.0);
    let picture = units(&clean)[1].offset;
    let mut bytes = clean.clone();
    restamp(&mut bytes, |_, ticks| ticks + 90_000 * 7200);
    unstamp(&mut bytes[..picture]);
    let first = units(&clean)[0].dts.unwrap() + 90_000 * 7200;
    for frames in kept(&bytes) {
        // One picture before the next one, in the order of the stream.
        assert!((frames[0].1 - first).abs() <= 4 * 3600, "{frames:?}");
        assert!(frames[0].0.abs() <= 0.2, "{frames:?}");
        // All other frames are at the end.
        assert!(frames[1..].iter().all(|(at, _)| *at >= 1.9), "{frames:?}");
    }
}

#[test]
fn recordings_joined_in_one_file_follow_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    let shots = [("testsrc2=s=320x240:r=25", 2.0), ("smptebars=s=320x240:r=25", 2.0)];
    generate(&path, &shots, QUICK);
    let one = fs::read(&path).unwrap();
    let scores = folder.path().join("scores");
    let [from_file, live] = kept(&one.repeat(3));
    let times: Vec<f64> = from_file.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
    assert_eq!(from_file, live);
    fs::write(&path, one.repeat(3)).unwrap();
    // Decided again on its scores, and once more on nothing new.
    let options = format!("--scores {}", scores.display());
    scenes(&[&path], &folder.path().join("measured"), &options).succeed();
    for _ in 0..2 {
        let mut again = tool("cht-scenes");
        again.arg("--from-scores").arg(&scores).arg("--out").arg(folder.path().join("again"));
        let mut again = Stage::start(&mut again);
        assert!(again.finish().success());
        let frames = again.of_type("frame").into_iter();
        let found: Vec<f64> = frames.map(|frame| frame["timestamp"].as_f64().unwrap()).collect();
        assert_eq!((found, again.of_type("segment_done").len()), (times.clone(), 1));
    }
    let mut watch = Stage::start(tool("cht-segwatch").args(["--settle", "0"]).arg(&path));
    assert!(watch.finish().success());
    let segment = watch.of_type("segment")[0];
    assert_eq!((&segment["start"], &segment["duration"]), (&0.0.into(), &12.0.into()));
    let byte = |n: usize| segment["jumps"][n]["byte"].as_u64().unwrap() as usize;
    assert_eq!([byte(0), byte(1)].map(|byte| byte / one.len()), [1, 2]);
}

#[test]
fn slides_of_minutes_have_their_duration() {
    // A slide rests for 200, 150 and 240 s, and the last picture is there twice.
    let slides = made(&format!(
        "-f lavfi -i testsrc2=s=160x120:r=1:d=4 -vf setpts=N*N*N*5+N*(N-1)*(N-2)*0+N*195/TB \
         -fps_mode vfr -enc_time_base 1:90000 {} -bf 2",
        "-c:v libx264"
    ));
    let stamps: Vec<i64> = units(&slides).iter().map(|unit| unit.pts.unwrap()).collect();
    let shown = (stamps.iter().max().unwrap() - stamps.iter().min().unwrap()) as f64 / 90_000.0;
    assert!(shown > 500.0, "{stamps:?}");
    let recorded = record(&slides, "--segment-time 3600");
    let lasts = recorded.closed[0]["duration"].as_f64().unwrap();
    assert!(lasts >= shown && lasts <= shown + 1.0, "{lasts} s of {shown} s");
    assert_eq!(recorded.examined()[0]["duration"], lasts);
}
