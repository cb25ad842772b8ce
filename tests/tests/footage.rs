//! Sends real footage over a socket through the whole pipeline.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::{fs, path::Path};

use cht_tests::{Pipeline, b3sum, ffmpeg, footage, probe_frames};
use serde_json::Value;

const EDITED: [&str; 6] = [
    "edited/bbb_120s_1280x720p24_fmp4.mp4",
    "edited/bbb_trailer_640x360p25_vp8.webm",
    "edited/bikes_640x272p25.mp4",
    "edited/craft_704x576p25.mp4",
    "edited/pedestrians_static_768x576p10_vtest.avi",
    "edited/testvideo_fades_1280x720p30.mp4",
];
const SCREEN: [&str; 6] = [
    "screen/editor_uniteai_826x590_vp8_vfr.webm",
    "screen/editor_uniteai_docchat_967x576_vp8_vfr.webm",
    "screen/gitui_terminal_1024x622.gif",
    "screen/jupyter_github_1616x1568p30_h264.mp4",
    "screen/terminal_devlog_1468x684p60_h264.mp4",
    "screen/vscode_livedebug_896x480.gif",
];

/// Makes a TS of a clip: copied if possible, else encoded with the same frames and times.
fn as_ts(clip: &Path, ts: &Path) {
    let (clip, ts) = (clip.to_str().unwrap(), ts.to_str().unwrap());
    if clip.contains(".mp4") {
        ffmpeg(["-i", clip, "-c", "copy", "-f", "mpegts", ts]);
    } else {
        let x264 =
            "-map 0:v:0 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -fps_mode passthrough";
        let even = ["-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2"];
        let input = ["-i", clip];
        let output = ["-enc_time_base", "1:90000", "-f", "mpegts", ts];
        ffmpeg(input.into_iter().chain(even).chain(x264.split(' ')).chain(output));
    }
}

/// Sends a file and gives back the frames of the index, having checked what must hold for any
/// input.
fn through(ts: &Path, segment_time: &str) -> (Vec<Value>, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let options = format!("--once --segment-time {segment_time}");
    let mut pipeline = Pipeline::start(folder.path(), &options, "--detect scene");
    let bytes = fs::read(ts).unwrap();
    pipeline.send(&bytes);
    let statuses = pipeline.finish();
    assert!(statuses.iter().all(|status| status.code().is_some()), "a crash: {statuses:?}");
    assert_eq!(b3sum(&pipeline.recording()), b3sum(&bytes), "the recording is not what was sent");
    let index = pipeline.read_index();
    for frame in &index {
        let picture = fs::read(frame["path"].as_str().unwrap()).unwrap();
        assert_eq!(frame["hash"], b3sum(&picture));
        assert!(picture.starts_with(&[0xff, 0xd8]) && picture.ends_with(&[0xff, 0xd9]));
    }
    let errors: Vec<Value> = pipeline.index.of_type("error").into_iter().cloned().collect();
    let clean = statuses.iter().all(std::process::ExitStatus::success);
    assert_eq!(errors.is_empty(), clean, "{errors:?} and {statuses:?} do not agree");
    (index, errors)
}

/// Checks that each kept frame has the time of a frame by ffprobe.
fn check_times(name: &str, index: &[Value], times: &[f64]) {
    let half = times.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::MAX, f64::min) / 2.0;
    for frame in index {
        let time = frame["timestamp"].as_f64().unwrap();
        let error = times.iter().map(|t| (t - time).abs()).fold(f64::MAX, f64::min);
        assert!(error <= half.max(0.000_1), "{name}: {time} is {error} off");
    }
}

#[test]
fn labelled_cuts_are_found() {
    let Some(labels) = footage("labels.json") else { return };
    let labels: Value = serde_json::from_slice(&fs::read(labels).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in EDITED {
        let Some(clip) = footage(name) else { continue };
        let ts = folder.path().join("clip.ts");
        as_ts(&clip, &ts);
        let (index, errors) = through(&ts, "7");
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let times = probe_frames(&ts);
        check_times(name, &index, &times);
        let Some(cuts) = labels[name]["cut_frames"].as_array() else { continue };
        let found = cuts.iter().filter(|cut| {
            let time = times[cut.as_u64().unwrap() as usize];
            index.iter().any(|frame| (frame["timestamp"].as_f64().unwrap() - time).abs() < 0.02)
        });
        let recall = found.count() as f64 / cuts.len().max(1) as f64;
        println!("{name}: recall {recall:.3} of {} cuts, {} frames", cuts.len(), index.len());
        assert!(cuts.is_empty() || recall >= 0.95, "{name}: recall {recall}");
    }
}

#[test]
fn screen_recordings_are_decoded_without_errors() {
    let folder = tempfile::tempdir().unwrap();
    for name in SCREEN {
        let Some(clip) = footage(name) else { continue };
        let ts = folder.path().join("clip.ts");
        as_ts(&clip, &ts);
        let (index, errors) = through(&ts, "5");
        assert!(errors.is_empty(), "{name}: {errors:?}");
        check_times(name, &index, &probe_frames(&ts));
        assert_eq!(index[0]["reason"], "first");
    }
}

#[test]
fn clean_transport_streams_are_decoded_without_errors() {
    let clean = [
        ("ts/bbb_1080p30_h264.ts", 1),
        ("ts/bbb_mpeg2_1080p24_2500ms.ts", 1),
        ("ts/hls_bbb_60s_640x360p24_h264.ts", 7),
    ];
    for (name, least) in clean {
        let Some(ts) = footage(name) else { continue };
        let (index, errors) = through(&ts, "4");
        assert!(errors.is_empty(), "{name}: {errors:?}");
        assert!(index.len() >= least, "{name}: {} frames", index.len());
        check_times(name, &index, &probe_frames(&ts));
    }
}

#[test]
fn cut_after_first_frame_is_found() {
    let Some(ts) = footage("ts/hls_bbb_60s_640x360p24_h264.ts") else { return };
    let (index, _) = through(&ts, "10");
    let frame = &probe_frames(&ts)[1];
    assert!(index.iter().any(|f| (f["timestamp"].as_f64().unwrap() - frame).abs() < 0.001));
}

#[test]
fn damaged_streams_give_errors_and_decodable_frames() {
    for (name, frames) in [
        ("ts/animalplanet_1080i25_h264_corrupt_tei_pcr.ts", 1),
        ("ts/hevc_corrupt_small.ts", 0),
        ("ts/sync_loss_small.ts", 0),
        ("ts/duplicate_packets_small.ts", 0),
    ] {
        let Some(ts) = footage(name) else { continue };
        let (index, errors) = through(&ts, "60");
        println!("{name}: {} frames, {errors:?}", index.len());
        assert!(index.len() >= frames, "{name}: {} frames", index.len());
        if frames == 0 {
            assert!(!errors.is_empty(), "{name}: nothing said");
        }
    }
}
