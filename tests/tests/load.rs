//! Several at once, and a pipe that stands still. `bench/load` does the same for minutes and at a rate.
#![allow(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use std::{fs, io::Write as _, net::TcpStream, path::Path, thread};

use cht_tests::{Pipeline, QUICK, b3sum, generate, recorder, recording, signal};

#[test]
fn eight_recorders_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.ts");
    generate(&clip, &[("testsrc2=s=640x480:r=25", 4.0)], "-c:v libx264 -preset ultrafast -g 25");
    let clip = fs::read(clip).unwrap();
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let (clip, sessions) = (&clip, folder.path().join(number.to_string()));
            scope.spawn(move || {
                let (mut recv, address) = recorder(&sessions, "--once --segment-time 1");
                // Each stream is another one from somewhere on.
                let mut sent = clip.repeat(4);
                sent.extend([number; 188]);
                TcpStream::connect(address).unwrap().write_all(&sent).unwrap();
                assert!(recv.finish().success());
                let session = recv.events[0]["session"].as_str().unwrap();
                assert_eq!(b3sum(&recording(Path::new(session))), b3sum(&sent), "{number}");
            });
        }
    });
}

#[test]
fn a_pipe_that_stood_still_gives_everything_when_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.ts");
    generate(&clip, &[("testsrc2=s=320x240:r=25", 8.0)], QUICK);
    let clip = fs::read(clip).unwrap();
    let recv = "--once --segment-time 1";
    let mut pipeline = Pipeline::start(&folder.path().join("s"), recv, "");
    signal(&pipeline.stages[1], "STOP");
    pipeline.send(&clip);
    // The recorder does its work and ends, whoever stands still behind it.
    assert!(pipeline.stages[0].wait().unwrap().success());
    assert_eq!(b3sum(&pipeline.recording()), b3sum(&clip));
    signal(&pipeline.stages[1], "CONT");
    for status in pipeline.finish() {
        assert!(status.success());
    }
    for kind in ["segment_closed", "segment", "segment_done"] {
        assert_eq!(pipeline.index.of_type(kind).len(), 8, "{kind}");
    }
}
