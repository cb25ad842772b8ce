//! Segments that end within a GOP: decoders lose no frame of it.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use cht_tests::{
    Pipeline, Stage, b3sum, b3sum_of_jpeg, examined, ffmpeg, footage, generate, of_type,
    stamps::{restamp, units},
    tool, words,
};
use serde_json::Value;

/// Returns the id, times and picture of each frame, without its segment.
fn essence(frames: &[Value]) -> Vec<(String, f64, i64, String)> {
    let text = |frame: &Value, field: &str| frame[field].as_str().unwrap().to_owned();
    frames
        .iter()
        .map(|frame| {
            let (at, pts) = (&frame["timestamp"], &frame["pts"]);
            let (at, pts) = (at.as_f64().unwrap(), pts.as_i64().unwrap());
            (text(frame, "id"), at, pts, b3sum_of_jpeg(Path::new(&text(frame, "path"))))
        })
        .collect()
}

/// Recorded and decoded session.
struct Done {
    _folder: tempfile::TempDir,
    session: PathBuf,
    index: Vec<Value>,
    closed: Vec<Value>,
    decoded: u64,
}

fn through(bytes: &[u8], options: &str) -> Done {
    let folder = tempfile::tempdir().unwrap();
    let mut pipeline = Pipeline::start(folder.path(), &format!("--once {options}"), "");
    pipeline.send(bytes);
    pipeline.succeed();
    assert_eq!(b3sum(&pipeline.recording()), b3sum(bytes));
    let events = |kind: &str| pipeline.index.of_type(kind).into_iter().cloned().collect();
    let done: Vec<Value> = events("segment_done");
    Done {
        index: pipeline.read_index(),
        closed: events("segment_closed"),
        decoded: done.iter().map(|done| done["decoded"].as_u64().unwrap()).sum(),
        session: pipeline.session.clone(),
        _folder: folder,
    }
}

impl Done {
    /// Returns the number of segments that ended for this reason.
    fn ended(&self, reason: &str) -> usize {
        self.closed.iter().filter(|segment| segment["end_reason"] == reason).count()
    }
}

/// Returns the frames that cht-scenes keeps of these lines.
fn scenes(lines: &[String], out: &Path) -> Vec<Value> {
    let events = Stage::fed(tool("cht-scenes").arg("--out").arg(out), lines).succeed();
    of_type(&events, "frame").into_iter().cloned().collect()
}

/// Generates three shots with one keyframe.
fn one_keyframe(path: &Path) -> Vec<u8> {
    let shots = [("testsrc2=s=320x240:r=25", 3.0), ("smptebars=s=320x240:r=25", 3.0)];
    let shots = [&shots[..], &[("mandelbrot=s=320x240:r=25", 3.0)]].concat();
    generate(path, &shots, "-c:v libx264 -preset ultrafast -g 100000 -sc_threshold 0 -bf 2");
    fs::read(path).unwrap()
}

#[test]
fn segment_end_within_gop_loses_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = one_keyframe(&folder.path().join("a.ts"));
    let whole = through(&bytes, "");
    assert_eq!((whole.closed.len(), whole.index.len(), whole.decoded), (1, 3, 225));
    for (options, reason) in [
        ("--segment-time 1 --segment-max-time 1", "max_time"),
        ("--segment-max-bytes 64k", "max_bytes"),
    ] {
        let cut = through(&bytes, options);
        assert!(cut.ended(reason) > 3, "{options}: {:?}", cut.closed);
        assert_eq!(essence(&cut.index), essence(&whole.index), "{options}");
        assert_eq!(cut.decoded, 225, "{options}");
        // Later, from the segments.
        let later = scenes(&examined(&cut.session), &folder.path().join(reason));
        assert_eq!(essence(&later), essence(&whole.index), "{options}");
    }
}

#[test]
fn picture_resting_for_minutes_matches_batch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    let shots = ["testsrc2", "smptebars", "mandelbrot"].map(|it| format!("{it}=s=320x240:r=25"));
    let shots = [0, 1, 2].map(|n| (shots[n].as_str(), 3.0));
    generate(&path, &shots, "-c:v libx264 -preset ultrafast -g 100000 -sc_threshold 0 -bf 0");
    let mut bytes = fs::read(&path).unwrap();
    // Each shot rests for a minute and a half before the next one, and all of it arrives at once.
    let first = units(&bytes)[0].pts.unwrap();
    restamp(&mut bytes, |_, ticks| ticks + (ticks - first) / (3 * 90_000) * 90 * 90_000);
    fs::write(&path, &bytes).unwrap();
    let batch = scenes(&examined(&path), &folder.path().join("batch"));
    // The first shot comes to rest with another picture than it began with.
    let times: Vec<_> = batch.iter().map(|frame| frame["timestamp"].as_f64().unwrap()).collect();
    assert_eq!(times, [0.0, 2.96, 93.0, 186.0]);
    let live = through(&bytes, "--segment-time 1000");
    assert_eq!((live.closed.len(), live.decoded), (1, 225));
    assert_eq!(essence(&live.index), essence(&batch));
    // Longer than a segment may be: cut, and decoded all the same.
    let cut = through(&bytes, "--segment-max-time 60");
    assert!(cut.ended("max_time") > 1, "{:?}", cut.closed);
    assert_eq!(essence(&cut.index), essence(&batch));
}

#[test]
fn restarted_decoder_goes_back_to_keyframe() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = one_keyframe(&folder.path().join("a.ts"));
    let cut = through(&bytes, "--segment-time 1 --segment-max-time 1");
    let lines = examined(&cut.session);
    for known in [1, 4, 7] {
        let out = folder.path().join(format!("after_{known}"));
        scenes(&lines[..known], &out);
        let all = scenes(&lines, &out);
        assert_eq!(essence(&all), essence(&cut.index), "after {known} segments");
    }
}

#[test]
fn picture_across_segments_is_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ts");
    ffmpeg(words(&format!(
        "-f lavfi -i testsrc2=s=1280x720:r=5:d=3,noise=alls=90 -c:v libx264 -qp 4 -preset ultrafast -g 5 \
         -pix_fmt yuv420p -f mpegts {}",
        path.display()
    )));
    let bytes = fs::read(&path).unwrap();
    let whole = through(&bytes, "");
    let cut = through(&bytes, "--segment-max-bytes 64k");
    assert!(cut.ended("max_bytes") > 30);
    assert_eq!(essence(&cut.index), essence(&whole.index));
    assert_eq!(cut.decoded, whole.decoded);
}

#[test]
fn real_footage_matches_at_any_segment_length() {
    for name in ["edited/bikes_640x272p25.mp4", "edited/testvideo_fades_1280x720p30.mp4"] {
        let Some(clip) = footage(name) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let ts = folder.path().join("clip.ts");
        let (clip, path) = (clip.to_str().unwrap(), ts.to_str().unwrap());
        ffmpeg(["-i", clip, "-t", "40", "-map", "0:v:0", "-c", "copy", "-f", "mpegts", path]);
        let bytes = fs::read(&ts).unwrap();
        let whole = through(&bytes, "");
        let cut = through(&bytes, "--segment-time 0.7 --segment-max-time 0.7");
        assert!(cut.ended("max_time") > 3, "{name}: {:?}", cut.closed.len());
        assert_eq!(essence(&cut.index), essence(&whole.index), "{name}");
        assert_eq!(cut.decoded, whole.decoded, "{name}");
    }
}
