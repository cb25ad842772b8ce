//! Several sessions through one pipe.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use cht_tests::{Pipeline, QUICK, b3sum, generate, read_json, recording};

#[test]
fn each_session_of_a_pipe_has_its_own_recording_frames_and_index() {
    let folder = tempfile::tempdir().unwrap();
    let clips: Vec<Vec<u8>> = ["testsrc2", "smptebars"]
        .map(|source| {
            let path = folder.path().join(source);
            generate(&path, &[(&format!("{source}=s=320x240:r=25"), 2.0)], QUICK);
            fs::read(path).unwrap()
        })
        .into();
    let mut pipeline =
        Pipeline::start(&folder.path().join("s"), "--session-gap 0.000001 --segment-time 1", "");
    for clip in &clips {
        pipeline.send(clip);
        pipeline.index.wait_for("disconnected");
    }
    cht_tests::signal(&pipeline.stages[0], "INT");
    for status in pipeline.finish() {
        assert!(status.success());
    }
    let listening = pipeline.index.of_type("listening");
    let sessions: Vec<&str> =
        listening.iter().map(|event| event["session"].as_str().unwrap()).collect();
    assert_eq!(sessions.len(), 2);
    for (session, clip) in sessions.iter().zip(&clips) {
        assert_eq!(b3sum(&recording(Path::new(session))), b3sum(clip));
        // Numbers and times begin anew.
        let index = read_json(&Path::new(session).join("frames/index.json"));
        assert_eq!((&index[0]["id"], &index[0]["timestamp"]), (&"F000001".into(), &0.0.into()));
        for frame in &index {
            assert_eq!(frame["session"], *session);
            assert!(frame["path"].as_str().unwrap().starts_with(session));
        }
    }
    let known: BTreeSet<_> =
        pipeline.index.events.iter().map(|event| event["session"].as_str().unwrap()).collect();
    assert_eq!(known, sessions.into_iter().collect());
}
