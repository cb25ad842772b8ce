//! How far looking at a live stream is behind what has arrived of it.
//!
//! Both ends are ticks of the session's timeline: the newest PTS of the segment that grows, read from the file itself when
//! somebody asks, and the frame that was looked at last. So a sender that pauses or sends faster than real time makes no lag,
//! and no clock is read. Nothing lags in a batch: nothing arrives.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cht_core::{
    event::{Anchor, SegmentOpen},
    session::live_segment::finished_path,
    storage::regular,
};
use cht_ts::{
    Found, Media, Scanner,
    time::{seconds, unwrap33},
};

/// How much of a segment is read at most to find its newest PTS, in bytes.
const END: u64 = 4 << 20;

/// What has arrived, and what of it was looked at.
#[derive(Debug, Default)]
pub(crate) struct LagTracker {
    arrived: Mutex<Arrived>,
    position: Mutex<Position>,
}

#[derive(Debug, Default)]
struct Arrived {
    /// The newest segment that has begun to grow; none if no stream is live.
    growing: Option<Newest>,
    /// Segments that have begun to grow so far.
    opened: u64,
    /// The PID whose clock counts; any video's until it is known.
    pid: Option<u16>,
    /// By how much its clock is ahead of the one that anchors are about, in ticks.
    ahead: i64,
}

/// The end of a segment that grows.
#[derive(Debug)]
struct Newest {
    session: Option<String>,
    file: File,
    anchor: Anchor,
    scanner: Scanner,
    /// How far it was read.
    read: u64,
    /// The largest tick so far.
    tick: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Position {
    /// The last frame that was looked at.
    looked: Option<i64>,
    thin: Option<Thin>,
}

/// What was fed where only keyframes are decoded.
#[derive(Debug, Clone, Copy)]
struct Thin {
    /// The last keyframes, the newest last: as many as may be on their way, and one.
    keyframes: [i64; 4],
    /// A keyframe comes out when so many have begun behind it.
    holds: usize,
    /// The newest picture that was left out or is a keyframe.
    fed: i64,
}

impl LagTracker {
    /// A segment has begun to grow.
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
            *lock(&self.position) = Position { looked: Some(anchor.offset), thin: None };
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

    /// Segments that have begun to grow so far.
    pub(crate) fn opened(&self) -> u64 {
        lock(&self.arrived).opened
    }

    /// All that was fed before the connection ended has come out; `opened` segments had begun to grow by then.
    pub(crate) fn drained(&self, opened: u64) {
        let mut arrived = lock(&self.arrived);
        if arrived.opened == opened {
            arrived.growing = None;
        }
    }

    /// What is looked at is the video of `pid`, whose clock is `ahead` ticks ahead of the anchors.
    pub(crate) fn follow(&self, pid: u16, ahead: i64) {
        let mut arrived = lock(&self.arrived);
        (arrived.pid, arrived.ahead) = (Some(pid), ahead);
    }

    /// The frame at `at` was looked at.
    pub(crate) fn looked(&self, at: i64) {
        lock(&self.position).looked = Some(at);
    }

    /// A decoder begins, of everything, or of keyframes only, where each comes out when so many (up to 3) have begun.
    pub(crate) fn decodes(&self, keyframes_only: Option<usize>) {
        let thin = |holds| Thin { keyframes: [i64::MIN; 4], holds, fed: i64::MIN };
        lock(&self.position).thin = keyframes_only.map(thin);
    }

    /// These keyframes, and pictures up to `newest`, were fed or left out.
    pub(crate) fn fed(&self, keyframes: &[i64], newest: Option<i64>) {
        if let Some(thin) = &mut lock(&self.position).thin {
            for &keyframe in keyframes {
                thin.keyframes.rotate_left(1);
                thin.keyframes[3] = keyframe;
            }
            thin.fed = newest.map_or(thin.fed, |newest| thin.fed.max(newest));
        }
    }

    /// Seconds of stream that have arrived and were not looked at; `None` if no stream is live.
    pub(crate) fn now(&self) -> Option<f64> {
        let mut arrived = lock(&self.arrived);
        let (pid, ahead) = (arrived.pid, arrived.ahead);
        let newest = arrived.growing.as_mut()?.look(pid, ahead);
        let position = *lock(&self.position);
        Some(seconds(position.behind(newest)))
    }
}

impl Position {
    /// Ticks behind `newest`.
    fn behind(self, newest: i64) -> i64 {
        let Some(looked) = self.looked else { return 0 };
        let at = match self.thin {
            // The newest that must have come out has done so, and there is nothing to come of what lies behind it.
            Some(Thin { keyframes, holds, fed }) if looked >= keyframes[3 - holds] => {
                fed.max(looked)
            }
            _ => looked,
        };
        (newest - at).max(0)
    }
}

impl Newest {
    /// Reads what is new, and gives the newest tick. A file that cannot be read has none.
    fn look(&mut self, pid: Option<u16>, ahead: i64) -> i64 {
        let length = self.file.metadata().map_or(0, |metadata| metadata.len());
        if length > self.read + END {
            (self.read, self.scanner) = (length - END, Scanner::new());
            let _ = self.file.seek(SeekFrom::Start(self.read));
        }
        let (anchor, tick) = (self.anchor, &mut self.tick);
        let mut found = |found: Found<'_>| {
            let Found::Pes(pes) = found else { return };
            let counts = pid.map_or(pes.media == Media::Video, |pid| pes.pid == pid);
            if let Some(pts) = pes.pts.filter(|_| counts) {
                let shift = anchor.pts + ahead - anchor.offset;
                *tick = (*tick).max(unwrap33(*tick + shift, pts) - shift);
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_keyframes_alone_what_lies_between_them_is_no_lag() {
        let full = Position { looked: Some(100), thin: None };
        assert_eq!((full.behind(700), full.behind(50)), (600, 0));
        let thin = Thin { keyframes: [i64::MIN, i64::MIN, 400, 600], holds: 1, fed: 690 };
        let waits = Position { looked: Some(100), thin: Some(thin) };
        assert_eq!(waits.behind(700), 600);
        let caught_up = Position { looked: Some(400), ..waits };
        assert_eq!(caught_up.behind(700), 10);
    }
}
