//! Parallel recorders, and a stopped stage. `bench/load` does the same for minutes and at a rate.
#![allow(clippy::unwrap_used, reason = "tests panic at wrong values")]

use std::thread;

use cht_tests::{Pipeline, b3sum, generated, record, recording, signal, source};

#[test]
fn parallel_recorders_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clip =
        generated(&[("testsrc2=s=640x480:r=25", 4.0)], "-c:v libx264 -preset ultrafast -g 25");
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let (clip, sessions) = (&clip, folder.path().join(number.to_string()));
            scope.spawn(move || {
                // Each stream is another one from somewhere on.
                let mut sent = clip.repeat(4);
                sent.extend([number; 188]);
                let recv = record(&sessions, &sent, "--segment-time 1");
                assert_eq!(b3sum(&recording(&recv.session())), b3sum(&sent), "{number}");
            });
        }
    });
}

#[test]
fn stopped_stage_gives_everything_when_it_continues() {
    let folder = tempfile::tempdir().unwrap();
    let clip = source(8.0);
    let recv = "--once --segment-time 1";
    let mut pipeline = Pipeline::start(&folder.path().join("s"), recv, "");
    signal(&pipeline.stages[1], "STOP");
    pipeline.send(&clip);
    // The recorder works to its end although a stage after it is stopped.
    assert!(pipeline.stages[0].wait().unwrap().success());
    assert_eq!(b3sum(&pipeline.recording()), b3sum(&clip));
    signal(&pipeline.stages[1], "CONT");
    pipeline.succeed();
    for kind in ["segment_closed", "segment", "segment_done"] {
        assert_eq!(pipeline.index.of_type(kind).len(), 8, "{kind}");
    }
}
