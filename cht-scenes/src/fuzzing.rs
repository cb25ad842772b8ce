//! Entry points of the fuzz targets: hostile files, and hostile output of ffmpeg.

use std::{io::Write as _, path::Path, time::Duration};

use cht_detect::{SceneDetector, measure::Plane};
use cht_ts::Pts;
use clap::Parser as _;

use crate::{
    cli::{args::Args, options::Options},
    decode::{
        ffmpeg_log::{DecodedFrame, LineParser},
        frame::{Pool, Reader},
        pipes::{Outputs, stream},
    },
    select::{
        detectors::{Detectors, Saved},
        journal::FrameJournal,
    },
};
use cht_core::stage::{Disk, Output};

/// Number of frames that a restored state continues with: more than any detector's lookahead.
const FRAMES: i64 = 40;

/// Parses ffmpeg's stderr, and returns the frames that it mentions.
fn read_log(bytes: &[u8]) -> Vec<DecodedFrame> {
    let mut parser = LineParser::default();
    let text = String::from_utf8_lossy(bytes);
    text.lines().filter_map(|line| parser.read(line).1).collect()
}

/// Parses ffmpeg's stderr.
pub fn ffmpeg_log(bytes: &[u8]) {
    for picture in read_log(bytes).into_iter().filter_map(|frame| frame.picture) {
        let _ = (picture.bytes(), picture.plane(0), picture.plane(2));
    }
}

/// Reads frames: ffmpeg's stderr up to the first NUL byte, then half of the rest from each socket.
///
/// # Panics
///
/// If the system has no sockets.
pub fn outputs(bytes: &[u8]) {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (log, rest) = bytes.split_at(end);
    let pair = || stream().expect("a pair of sockets");
    let ((pictures, picture), (small, luma)) = (pair(), pair());
    let (mut picture, mut luma) =
        (std::os::unix::net::UnixStream::from(picture), std::os::unix::net::UnixStream::from(luma));
    let half = rest.len() / 2;
    let written = picture.write_all(&rest[..half]).and_then(|()| luma.write_all(&rest[half..]));
    written.expect("room for a small input");
    drop((picture, luma));
    let outputs = Outputs { pictures, small: Some(small), limit: Duration::from_millis(50) };
    let mut reader = Reader::new(Pool::default());
    for decoded in read_log(log) {
        let Ok(frame) = reader.read(decoded, &outputs) else { break };
        if let Some(picture) = &frame.picture {
            let _ = picture.small();
        }
    }
}

/// Restores a state of the detectors, which may be invalid, and continues from it.
pub fn state(bytes: &[u8]) {
    let Ok(saved) = Saved::from_bytes(bytes) else { return };
    let mut measured = Detectors::restore(saved);
    for n in 0..FRAMES {
        let (width, height) = if n < FRAMES / 2 { (80, 45) } else { (64, 36) };
        let level = |at: usize| if n % 7 == 0 { at as u8 } else { (n * 5) as u8 };
        let small = Plane { width, height, samples: (0..width * height).map(level).collect() };
        let frame =
            DecodedFrame { pts: Some(Pts::new(n)), score: 0.5, picture: None, restarted: false };
        measured.frame(n * 3600, &frame, Some(small), None, 1, false);
        while measured.decider.next_choice().is_some() {}
        let _ = (measured.decider.hidden(), measured.decider.content(), measured.decider.waiting());
    }
    let _ = measured.save().map(|saved| saved.to_bytes());
    measured.decider.finish();
    while measured.decider.last_choice().is_some() {}
}

/// Opens the journal in a folder, and continues it. Files that were there must not be named in it.
pub fn journal(folder: &Path) {
    let args = Args::parse_from(["cht-scenes"]);
    let Ok(output) = Output::open() else { return };
    let disk = Disk::new(&output);
    let Ok(mut store) = FrameJournal::open(folder, &Options::of(&args), false, disk) else {
        return;
    };
    let _ = (store.done_before(), store.saved(), store.next_picture(0), store.was_kept("", 0));
    let _ = (store.kept(1), store.kept(64), store.thumbnail("F000001"));
    store.remove_unfinished();
}

/// Returns a state of the detectors after some frames, for the corpus.
#[must_use]
pub fn sample_state() -> Vec<u8> {
    let args = Args::parse_from(["cht-scenes"]);
    let mut measured = Detectors::new(SceneDetector::new(Options::of(&args).rules()));
    for n in 0..FRAMES {
        let small = Plane { width: 16, height: 9, samples: vec![(n / 9 * 50) as u8; 16 * 9] };
        let frame =
            DecodedFrame { pts: Some(Pts::new(n)), score: 0.01, picture: None, restarted: n == 0 };
        measured.frame(n * 3600, &frame, Some(small), None, 1, false);
        while measured.decider.next_choice().is_some() {}
    }
    measured.save().and_then(|saved| saved.to_bytes().ok()).unwrap_or_default()
}
