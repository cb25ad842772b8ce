//! cht-scenes on a live stream: its `stats`, catching up, and the same frames as in batch.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    io::Write as _,
    net::TcpStream,
    path::{Path, PathBuf},
};

use cht_tests::{Pipeline, Stage, decoder_stub, encode, make_fifo, stamps, tool, words};
use serde_json::Value;

/// Runs cht-scenes over a path to its end.
fn scenes(path: &Path, options: &str) -> Stage {
    let mut stage = Stage::fed(tool("cht-scenes").args(words(options)), [path.display()]);
    assert!(stage.finish().success());
    stage
}

/// Returns the `stats` of cht-scenes, in order.
fn stats(events: &[Value]) -> Vec<&Value> {
    let own = events.iter().filter(|event| event["stage"] == "cht-scenes");
    own.filter(|event| event["type"] == "stats").map(|event| &event["scenes"]).collect()
}

#[test]
fn stats_count_decoded_kept_and_suppressed_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cuts.ts");
    // Cuts at 48, 50, 52 and 54; the gap after 48 lasts five frames.
    let source = "testsrc2=s=160x128:r=25:d=4,\
                  negate=enable='between(n,48,55)*not(mod(floor(n/2),2))'";
    encode(&path, source, "-c:v libx264 -preset ultrafast -g 25");
    for detector in ["scene", "scene,screen"] {
        let out = folder.path().join(detector);
        let options = format!("--out {} --detect {detector} --min-gap 0.2", out.display());
        let stage = scenes(&path, &options);
        let all = stats(&stage.events);
        let last = all.last().unwrap();
        assert_eq!(last["decoded"], 100, "{detector}");
        assert_eq!(last["kept"], stage.of_type("frame").len(), "{detector}: {last}");
        assert_eq!(last["suppressed"]["min_gap"], 2, "{detector}: {last}");
        assert!(last.get("lag").is_none() && last["decoding"] == "full", "{last}");
    }
}

#[test]
fn auto_reports_change_of_content() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.ts");
    let source = "mandelbrot=s=160x128:r=10,noise=alls=20:allf=t,trim=duration=6[a];\
                  color=white:s=160x128:r=10:d=16,drawgrid=w=40:h=40:t=2:c=black[b];[a][b]concat";
    encode(&path, source, "-c:v libx264 -preset ultrafast -g 25");
    let stage = scenes(&path, &format!("--out {}", folder.path().join("out").display()));
    let all = stats(&stage.events);
    let contents: Vec<_> = all.iter().filter_map(|stats| stats["content"].as_str()).collect();
    assert_eq!((contents.first(), contents.last()), (Some(&"film"), Some(&"screen")), "{all:?}");
    let since = all.last().unwrap()["content_since"].as_f64().unwrap();
    // From 6 s on, five seconds until it looks like a screen, and at most seven in doubt after the
    // film.
    assert!((6.0..=18.0).contains(&since), "{since}");
}

#[test]
fn stats_interval_of_zero_gives_no_stats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.ts");
    encode(&path, "testsrc2=s=320x240:r=25:d=1", "-c:v libx264 -preset ultrafast");
    let out = folder.path().join("out");
    let stage = scenes(&path, &format!("--out {} --stats-interval 0", out.display()));
    assert!(stats(&stage.events).is_empty());
}

/// Length of the stream, in seconds; a decoder's pipe holds one or two.
const SECONDS: usize = 40;

const H264: &str = "-c:v libx264 -preset ultrafast -g 25 -bf 2 -sc_threshold 0";

/// Makes an ffmpeg whose first decoder stops within the first seconds, until a write to `gate`.
fn stopping_ffmpeg(folder: &Path) -> (PathBuf, PathBuf) {
    let gate = folder.join("gate");
    make_fifo(&gate);
    let script = format!(
        "if [ -e {marker} ]; then exec ffmpeg \"$@\"; fi\n: >{marker}\n\
         {{ head -c 100000; read -r _ <{gate}; cat; }} | ffmpeg \"$@\"",
        marker = folder.join("marker").display(),
        gate = gate.display()
    );
    (decoder_stub(folder, &script), gate)
}

/// Runs a pipeline with a decoder that stops for a time, and returns it when it has ended.
fn lagging(folder: &Path, coder: &str, recv: &str, scenes: &str) -> Pipeline {
    let (stub, gate) = stopping_ffmpeg(folder);
    let path = folder.join("long.ts");
    let source = format!("testsrc2=s=160x128:r=25:d={SECONDS},noise=alls=20:allf=t");
    encode(&path, &source, coder);
    let bytes = fs::read(&path).unwrap();
    let options = format!("--stats-interval 0.1 --ffmpeg {} {scenes}", stub.display());
    let mut pipeline =
        Pipeline::start(&folder.join("sessions"), &format!("--once {recv}"), &options);
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    let piece = bytes.len() / SECONDS + 1;
    let (at_once, later) = bytes.split_at(piece * 30);
    let (first, at_once) = at_once.split_at(piece);
    sender.write_all(first).unwrap();
    pipeline.index.wait_for("frame");
    sender.write_all(at_once).unwrap();
    // It is seen to lag before it may go on.
    wait_for_lag(&mut pipeline, |lag| lag > 10.0);
    fs::write(gate, "\n").unwrap();
    wait_for_lag(&mut pipeline, |lag| lag < 1.0);
    // As a stream comes: a little at a time.
    let (later, last) = later.split_at(later.len() - piece / 2);
    for piece in later.chunks_exact(piece / 4) {
        sender.write_all(piece).unwrap();
        wait_for_lag(&mut pipeline, |lag| lag < 1.0);
    }
    // The rest changes too little to be waited for.
    sender.write_all(later.chunks_exact(piece / 4).remainder()).unwrap();
    sender.write_all(last).unwrap();
    drop(sender);
    pipeline.succeed();
    assert_eq!(pipeline.recording(), bytes);
    pipeline
}

fn wait_for_lag(pipeline: &mut Pipeline, is_it: impl Fn(f64) -> bool) {
    loop {
        let event = pipeline.index.wait_for("stats");
        if event["stage"] == "cht-scenes" && event["scenes"]["lag"].as_f64().is_some_and(&is_it) {
            return;
        }
    }
}

#[test]
fn lagging_decoder_is_reported_and_decodes_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline =
        lagging(folder.path(), H264, "--segment-time 1000 --stats-interval 0", "--detect scene");
    let all = stats(&pipeline.index.events);
    let last = all.last().unwrap();
    assert_eq!((&last["decoded"], &last["skipped"]), (&Value::from(25 * SECONDS), &Value::from(0)));
    assert!(all.iter().all(|stats| stats["decoding"] == "full"));
    assert!(last.get("lag").is_none(), "{last}");
}

fn check_catches_up(coder: &str, recv: &str, detector: &str) {
    let folder = tempfile::tempdir().unwrap();
    let options = format!("--on-lag keyframes --detect {detector} --max-interval 1");
    let pipeline = lagging(folder.path(), coder, recv, &options);
    let all = stats(&pipeline.index.events);
    let last = all.last().unwrap();
    // Frames that were not decoded are counted as skipped.
    let (decoded, skipped) = (last["decoded"].as_u64().unwrap(), last["skipped"].as_u64().unwrap());
    assert_eq!(decoded + skipped, 25 * SECONDS as u64, "{last}");
    assert!(skipped > 200, "{last}");
    assert!(all.iter().any(|stats| stats["decoding"] == "keyframes"));
    assert_eq!(last["decoding"], "full");
    // Frames come from the whole of the stream, in their order.
    let frames = pipeline.index.of_type("frame");
    let times: Vec<_> = frames.iter().map(|frame| frame["timestamp"].as_f64().unwrap()).collect();
    assert!(times.is_sorted() && times.len() > SECONDS / 2, "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] < 4.0), "{times:?}");
    assert_eq!(times.len(), pipeline.read_index().len());
}

#[test]
fn lagging_decoder_catches_up_by_keyframes_in_growing_segment() {
    for detector in ["scene", "auto"] {
        check_catches_up(H264, "--segment-time 1000 --stats-interval 0", detector);
    }
}

#[test]
fn lagging_decoder_catches_up_by_keyframes_over_many_segments() {
    check_catches_up(H264, "--segment-time 2 --stats-interval 0", "auto");
}

#[test]
fn lagging_decoder_catches_up_by_keyframes_of_any_codec() {
    for coder in [
        "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=25:scenecut=0:open-gop=0:pools=none:frame-threads=1",
        "-c:v mpeg2video -flags +cgop -bf 2 -g 25 -sc_threshold 1000000000 -b:v 2M",
    ] {
        check_catches_up(coder, "--segment-time 1000 --stats-interval 0", "scene");
    }
}

/// PTS, reason and picture of a frame, which runs over the same bytes share.
type Kept = (i64, String, String);

fn kept(events: &[Value]) -> Vec<Kept> {
    let frames = events.iter().filter(|event| event["type"] == "frame");
    frames
        .map(|frame| {
            let path = Path::new(frame["path"].as_str().unwrap());
            let reason = frame["reason"].as_str().unwrap().to_owned();
            (frame["pts"].as_i64().unwrap(), reason, cht_tests::b3sum_of_jpeg(path))
        })
        .collect()
}

/// Drops three datagrams of seven packets each, one of them of the first keyframe, and ends within
/// a packet.
fn lossy(bytes: &[u8]) -> Vec<u8> {
    let datagrams = bytes.chunks(7 * 188).collect::<Vec<_>>();
    let lost = [3, datagrams.len() / 3, datagrams.len() / 2];
    let rest = datagrams.into_iter().enumerate().filter(|(n, _)| !lost.contains(n));
    let mut bytes: Vec<u8> = rest.flat_map(|(_, datagram)| datagram).copied().collect();
    bytes.truncate(bytes.len() - 1000);
    bytes
}

/// Returns the frames kept of the stream at `path` live, and of the file.
fn live_and_batch(folder: &Path, path: &Path, options: &str) -> (Vec<Kept>, Vec<Kept>) {
    let options = format!("--stats-interval 0 {options}");
    let mut pipeline = Pipeline::start(&folder.join("s"), "--once --segment-time 2", &options);
    pipeline.send(&fs::read(path).unwrap());
    pipeline.finish();
    let batch = scenes(path, &format!("{options} --out {}", folder.join("out").display()));
    (kept(&pipeline.index.events), kept(&batch.events))
}

#[test]
fn lossy_stream_gives_same_frames_live_and_in_batch() {
    // Three shots in which something moves; a picture has two slices, so that half of one can be
    // lost.
    let source = "testsrc2=s=320x240:r=25:d=4,negate=enable='between(t,1.5,2.7)'";
    for (name, coder) in [
        ("h264", "-c:v libx264 -preset ultrafast -g 25 -bf 0 -slices 2 -b:v 2M"),
        ("hevc", "-c:v libx265 -preset ultrafast -b:v 1M -x265-params log-level=none:keyint=25"),
        ("mpeg2", "-c:v mpeg2video -g 25 -bf 2 -b:v 2M"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lossy.ts");
        encode(&path, source, coder);
        let bytes = lossy(&fs::read(&path).unwrap());
        fs::write(&path, &bytes).unwrap();
        let (live, batch) = live_and_batch(folder.path(), &path, "--detect adaptive,screen");
        assert_eq!(live, batch, "{name}");
        assert!(live.len() > 1, "{name}: {live:?}");
    }
}

/// A picture is decoded when the next one is whole, not only when the one after that begins.
#[test]
fn picture_is_announced_when_the_next_one_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.ts");
    let source = "testsrc2=s=320x240:r=25:d=3,negate=enable='gte(t,2)'";
    // With a DTS of its own a picture may be shown in another order, so that a pause of the stream
    // ends none.
    let coder = "-c:v libx264 -preset ultrafast -tune zerolatency -bsf:v setts=dts=DTS-1800";
    encode(&path, source, coder);
    let stream = fs::read(&path).unwrap();
    let units = stamps::units(&stream);
    let at = units[0].pts.unwrap() + 2 * 90_000;
    let cut = units.iter().position(|unit| unit.pts == Some(at)).unwrap();
    let options = "--detect scene --max-interval 0 --stats-interval 0";
    let mut pipeline = Pipeline::start(&folder.path().join("s"), "--once", options);
    let mut sender = TcpStream::connect(&pipeline.address).unwrap();
    sender.write_all(&stream[..units[cut + 2].offset]).unwrap();
    while pipeline.index.of_type("frame").len() < 2 {
        pipeline.index.wait_for("frame");
    }
    assert_eq!(pipeline.index.of_type("frame")[1]["pts"], at);
    drop(sender);
    pipeline.succeed();
}

/// The filter graph depends on the sample format, which is unknown when the decoder of a live
/// stream starts.
#[test]
fn fine_chroma_gives_same_frames_live_and_in_batch() {
    let source = "testsrc2=s=160x120:r=25:d=4,negate=enable='between(t,1.5,2.7)'";
    for (name, options, coder) in [
        ("4:4:4", "--detect scene", "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv444p"),
        (
            "4:4:4 of 10 bits",
            "--detect auto",
            "-c:v libx265 -preset ultrafast -pix_fmt yuv444p10le -x265-params log-level=none:keyint=25",
        ),
        (
            "4:2:2 of 10 bits",
            "--detect scene",
            "-c:v libx264 -preset ultrafast -pix_fmt yuv422p10le",
        ),
        ("RGB", "--detect auto", "-c:v libx264rgb -preset ultrafast -pix_fmt rgb24"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fine.ts");
        encode(&path, source, coder);
        let (live, batch) = live_and_batch(folder.path(), &path, options);
        assert_eq!(live, batch, "{name}");
        assert!(live.len() > 1, "{name}: {live:?}");
    }
}

#[test]
fn frame_has_same_wall_clock_live_in_batch_and_from_scores() {
    let folder = tempfile::tempdir().unwrap();
    let (stream, scores) = (folder.path().join("in.ts"), folder.path().join("scores.ndjson"));
    encode(&stream, "testsrc2=s=160x120:r=25:d=4", "-c:v libx264 -preset ultrafast -g 25 -bf 0");
    let options = "--stats-interval 0 --detect scene --max-interval 1";
    let sessions = folder.path().join("s");
    let mut pipeline = Pipeline::start(&sessions, "--once --segment-time 2", options);
    pipeline.send(&fs::read(&stream).unwrap());
    pipeline.finish();
    let clocks = |events: &[Value]| -> Vec<_> {
        let frames = events.iter().filter(|event| event["type"] == "frame");
        frames.map(|frame| (frame["pts"].clone(), frame["at"].clone())).collect()
    };
    let live = clocks(&pipeline.index.events);
    assert!(live.len() >= 4, "{live:?}");
    let closed = pipeline.index.of_type("segment_closed");
    // The first picture has the wall clock of the first byte.
    let opened_at = closed[0]["opened_at"].as_str().unwrap();
    assert!(opened_at.starts_with(live[0].1.as_str().unwrap().trim_end_matches('Z')), "{live:?}");

    let run = |out: &str, lines: &[String], more: &str| {
        let out = folder.path().join(out);
        let all = format!("{options} --out {} {more}", out.display());
        clocks(&Stage::fed(tool("cht-scenes").args(words(&all)), lines).succeed())
    };
    let examined = cht_tests::examined(&pipeline.session);
    assert_eq!(run("batch", &examined, ""), live);
    let measured = run("measured", &examined, &format!("--scores {}", scores.display()));
    let again = run("again", &[], &format!("--from-scores {}", scores.display()));
    assert_eq!(again, measured);
    assert!(measured.iter().all(|(_, at)| at.is_string()), "{measured:?}");
}
