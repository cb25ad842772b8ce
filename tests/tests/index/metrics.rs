//! `--metrics`: the counters of all stages.

use cht_tests::{metric, metrics_are_well_formed, scrape};

use super::*;

/// Starts cht-index with metrics. Returns their URL, too.
fn start_with_metrics(index: &Path) -> (Stage, ChildStdin, String) {
    let mut command = tool("cht-index");
    command.arg("--out").arg(index).args(["--metrics", "127.0.0.1:0"]);
    let mut stage = Stage::start(command.stdin(Stdio::piped()));
    let stdin = stage.child.stdin.take().unwrap();
    let metrics = stage.wait_for("metrics");
    assert_eq!(metrics["stage"], "cht-index");
    let url = metrics["url"].as_str().unwrap().to_owned();
    (stage, stdin, url)
}

fn events() -> Vec<Value> {
    let mut dated = frame(2);
    dated["reason"] = "first".into();
    dated["at"] = "2026-11-23T06:24:31.5Z".into();
    let event = |kind: &str, stage: &str, fields: Value| {
        let mut event = json!({"v": 1, "type": kind, "session": null, "stage": stage});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        event
    };
    let at = json!({"at": "2026-11-23T06:24:31Z", "interval": 10.0});
    let stats = |stage, measures: Value| {
        let mut stats = event("stats", stage, measures);
        stats.as_object_mut().unwrap().extend(at.as_object().unwrap().clone());
        stats
    };
    vec![
        stats(
            "cht-recv",
            json!({"recv": {
                "connected": true, "connections": 1, "bitrate": 8, "bytes": 1316, "packets": 7,
                "continuity_errors": 2, "pids": [{"pid": 256, "continuity_errors": 2}],
                "idle": 1.5, "segments": 2, "left_out": 0,
            }}),
        ),
        frame(1),
        dated,
        frame(1),
        event("error", "cht-scenes", json!({"code": "no_video", "message": "none"})),
        event(
            "segment_done",
            "cht-scenes",
            json!({"seq": 1, "path": "/a.ts", "events": 2, "decoded": 50}),
        ),
        stats(
            "cht-scenes",
            json!({"scenes": {
                "decoded": 50, "kept": 2, "suppressed": {"min_gap": 3}, "lag": 0.25,
                "decoding": "full", "skipped": 4, "choices_waiting": 0, "pictures_waiting": 5,
            }}),
        ),
        stats("cht-audio", json!({"audio": {"pieces": 6, "silent": 1, "cut": 61.5}})),
    ]
}

#[test]
fn metrics_tell_of_all_stages() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("index.json");
    let (mut stage, mut stdin, url) = start_with_metrics(&index);
    let before = scrape(&url);
    assert!(!before.contains("newest_frame"), "{before}");
    // The empty index of the start may be counted already.
    assert!(["0", "1"].contains(&metric(&before, "cht_index_snapshots_total")), "{before}");

    writeln!(stdin, "{{nonsense").unwrap();
    for event in events() {
        writeln!(stdin, "{}", line(&event)).unwrap();
    }
    while stage.next_event().unwrap()["stage"] != "cht-audio" {}
    let text = scrape(&url);
    for (series, expected) in [
        // Each frame once; its event twice.
        ("cht_frames_total{reason=\"scene\"}", "1"),
        ("cht_frames_total{reason=\"first\"}", "1"),
        ("cht_events_total{type=\"frame\"}", "3"),
        ("cht_newest_frame_timestamp_seconds", "1795415071.5"),
        ("cht_errors_total{code=\"no_video\",stage=\"cht-scenes\"}", "1"),
        ("cht_errors_total{code=\"bad_line\",stage=\"cht-index\"}", "1"),
        ("cht_segments_done_total{stage=\"cht-scenes\"}", "1"),
        ("cht_lag_seconds{stage=\"cht-scenes\"}", "0.25"),
        ("cht_scenes_suppressed_frames_total{cause=\"min_gap\"}", "3"),
        ("cht_scenes_decoded_frames_total", "50"),
        ("cht_scenes_skipped_frames_total", "4"),
        ("cht_scenes_decoding_keyframes_only", "0"),
        ("cht_scenes_waiting_pictures", "5"),
        ("cht_audio_cut_seconds_total", "61.5"),
        ("cht_recv_received_bytes_total", "1316"),
        ("cht_recv_last_byte_timestamp_seconds", "1795415069.5"),
        ("cht_recv_continuity_errors_total{pid=\"0x0100\"}", "2"),
    ] {
        assert_eq!(metric(&text, series), expected, "{series}");
    }
    assert!(!text.contains("cht_lag_seconds{stage=\"cht-audio\"}"), "{text}");
    let size = fs::metadata(&index).unwrap().len().to_string();
    assert_eq!(metric(&text, "cht_index_last_snapshot_bytes"), size);
    let started: f64 = metric(&text, "process_start_time_seconds").parse().unwrap();
    let written: f64 = metric(&text, "cht_index_last_snapshot_timestamp_seconds").parse().unwrap();
    assert!(started <= written, "{started} {written}");
    assert!(text.contains("cht_build_info{commit=\""), "{text}");
    metrics_are_well_formed(&text);
    drop(stdin);
    stage.finish();

    // A stage that is started again repeats its events, and no frame is new.
    let (mut stage, mut stdin, url) = start_with_metrics(&index);
    writeln!(stdin, "{}\n{}", line(&frame(1)), line(&frame(7))).unwrap();
    while stage.next_event().unwrap()["id"] != "F000007" {}
    assert_eq!(metric(&scrape(&url), "cht_frames_total{reason=\"scene\"}"), "1");
}
