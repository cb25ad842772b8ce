//! Measures how far decoding lags behind a live stream.
//!
//! Both ends are ticks of the session's timeline: the newest PTS of the growing segment, read from
//! its file on demand, and the last frame that was examined. So a sender that pauses or sends
//! faster than real time causes no lag, and no clock is read. A batch has no lag, since nothing
//! arrives.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::Mutex,
};

use cht_core::{
    event::{Anchor, SegmentOpen},
    process::lock::lock,
    session::live_segment::finished_path,
    storage::regular,
};
use cht_ts::{Found, Media, Scanner, time::seconds};

/// Largest part of a segment that is read to find its newest PTS, in bytes.
const END: u64 = 4 << 20;

/// Newest tick that has arrived, and newest that was examined.
#[derive(Debug, Default)]
pub(crate) struct LagTracker {
    arrived: Mutex<Arrived>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Arrived {
    /// Newest growing segment; `None` if no stream is live.
    growing: Option<Newest>,
    /// Number of segments opened so far.
    opened: u64,
    /// PID of the decoded video; until it is known, any video counts.
    pid: Option<u16>,
    /// Lead of its clock over the clock of anchors, in ticks.
    ahead: i64,
}

/// End of a growing segment.
#[derive(Debug)]
struct Newest {
    session: Option<String>,
    file: File,
    anchor: Anchor,
    scanner: Scanner,
    /// Bytes read so far.
    read: u64,
    /// Largest tick so far.
    tick: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Tick of the last frame that was examined.
    looked: Option<i64>,
    keyframes_only: Option<KeyframesFed>,
}

/// Pictures fed to a decoder of keyframes only.
#[derive(Debug, Clone, Copy)]
struct KeyframesFed {
    /// Ticks of the last keyframes, the newest last: the ones that the decoder may hold, and one
    /// more.
    keyframes: [i64; 4],
    /// Number of later keyframes that the decoder needs before it outputs one.
    holds: usize,
    /// Tick of the newest picture that was fed or skipped.
    fed: i64,
}

impl LagTracker {
    /// Follows a segment that was opened.
    pub(crate) fn open(&self, session: Option<&str>, open: &SegmentOpen) {
        let mut arrived = lock(&self.arrived);
        arrived.opened += 1;
        let Some(anchor) = open.timeline else { return };
        let part = Path::new(&open.path);
        let Ok(file) = regular::open(part).or_else(|_| regular::open(&finished_path(part))) else {
            return;
        };
        let before = arrived.growing.take().filter(|before| before.session.as_deref() == session);
        if before.is_none() {
            *lock(&self.progress) = Progress { looked: Some(anchor.offset), keyframes_only: None };
        }
        arrived.growing = Some(Newest {
            session: session.map(str::to_owned),
            file,
            anchor,
            scanner: Scanner::new(),
            read: 0,
            tick: before.map_or(anchor.offset, |before| before.tick.max(anchor.offset)),
        });
    }

    /// Returns the number of segments opened so far.
    pub(crate) fn opened(&self) -> u64 {
        lock(&self.arrived).opened
    }

    /// Notes that the decoder has output all of a connection that ended after `opened` segments.
    pub(crate) fn drained(&self, opened: u64) {
        let mut arrived = lock(&self.arrived);
        if arrived.opened == opened {
            arrived.growing = None;
        }
    }

    /// Sets the PID of the decoded video, whose clock is `ahead` ticks ahead of the anchors.
    pub(crate) fn follow(&self, pid: u16, ahead: i64) {
        let mut arrived = lock(&self.arrived);
        (arrived.pid, arrived.ahead) = (Some(pid), ahead);
    }

    /// Notes that the frame at `at` was examined.
    pub(crate) fn looked(&self, at: i64) {
        lock(&self.progress).looked = Some(at);
    }

    /// Notes that a decoder starts: of every frame, or of keyframes only, with the number (up to 3)
    /// of later keyframes that it needs before it outputs one.
    pub(crate) fn decodes(&self, keyframes_only: Option<usize>) {
        let nothing_fed = |holds| KeyframesFed { keyframes: [i64::MIN; 4], holds, fed: i64::MIN };
        lock(&self.progress).keyframes_only = keyframes_only.map(nothing_fed);
    }

    /// Notes that these keyframes, and pictures up to `newest`, were fed or skipped.
    pub(crate) fn fed(&self, keyframes: &[i64], newest: Option<i64>) {
        if let Some(only) = &mut lock(&self.progress).keyframes_only {
            for &keyframe in keyframes {
                only.keyframes.rotate_left(1);
                only.keyframes[3] = keyframe;
            }
            only.fed = newest.map_or(only.fed, |newest| only.fed.max(newest));
        }
    }

    /// Returns the lag in seconds of the stream; `None` if no stream is live.
    pub(crate) fn now(&self) -> Option<f64> {
        let mut arrived = lock(&self.arrived);
        let (pid, ahead) = (arrived.pid, arrived.ahead);
        let newest = arrived.growing.as_mut()?.read_on(pid, ahead);
        let progress = *lock(&self.progress);
        Some(seconds(progress.behind(newest)))
    }
}

impl Progress {
    /// Returns the lag behind `newest`, in ticks.
    fn behind(self, newest: i64) -> i64 {
        let Some(looked) = self.looked else { return 0 };
        let at = match self.keyframes_only {
            // The newest keyframe that the decoder can output was examined, and nothing follows
            // before the next.
            Some(KeyframesFed { keyframes, holds, fed }) if looked >= keyframes[3 - holds] => {
                fed.max(looked)
            }
            _ => looked,
        };
        (newest - at).max(0)
    }
}

impl Newest {
    /// Reads the new bytes of the file, and returns the newest tick. Errors end the reading.
    fn read_on(&mut self, pid: Option<u16>, ahead: i64) -> i64 {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        if length > self.read + END {
            (self.read, self.scanner) = (length - END, Scanner::new());
            let _ = self.file.seek(SeekFrom::Start(self.read));
        }
        let anchor = self.anchor.for_clock_ahead_by(ahead);
        let tick = &mut self.tick;
        let mut found = |found: Found<'_>| {
            let Found::Pes(pes) = found else { return };
            let counts = pid.map_or(pes.media == Media::Video, |pid| pes.pid == pid);
            if let Some(pts) = pes.pts.filter(|_| counts) {
                *tick = (*tick).max(anchor.place_near(*tick, pts));
            }
        };
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = self.file.read(&mut buffer) {
            self.read += count as u64;
            self.scanner.push(&buffer[..count], &mut found);
        }
        self.tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_between_keyframes_are_no_lag() {
        let full = Progress { looked: Some(100), keyframes_only: None };
        assert_eq!((full.behind(700), full.behind(50)), (600, 0));
        let fed = KeyframesFed { keyframes: [i64::MIN, i64::MIN, 400, 600], holds: 1, fed: 690 };
        let waits = Progress { looked: Some(100), keyframes_only: Some(fed) };
        assert_eq!(waits.behind(700), 600);
        let caught_up = Progress { looked: Some(400), ..waits };
        assert_eq!(caught_up.behind(700), 10);
    }
}
