//! Divides a growing segment into pieces for the decoder: finds its video, access points and
//! changes of the video, and counts its pictures.

use std::collections::VecDeque;

use cht_core::event::Anchor;
use cht_ts::{Entry, Found, Media, Pes, Pts, Scanner, time::TICKS_PER_SECOND};

use super::{
    changes::{Divider, TrackSpan},
    select::{Asked, Video},
};

/// Bytes of a segment that are searched for the first of several videos.
const PATIENCE: u64 = 256 * 1024;

/// Bytes scanned at a time until the video is known: seven packets.
const STEP: usize = 1316;

/// Follows the bytes of a segment, and holds some back where another decoder may have to start.
#[derive(Debug)]
pub(crate) struct GrowingSegment {
    scanner: Scanner,
    asked: Asked,
    anchor: Anchor,
    /// Set once the video is known; nothing is handed out before.
    divider: Option<Divider>,
    video: Option<(Video, Pts)>,
    /// PID of the video that is handed out.
    pid: u16,
    /// Bytes that are not handed out yet, and their offset in the segment.
    held: Vec<u8>,
    at: u64,
    /// Pictures that begin in `held`.
    upcoming: VecDeque<Picture>,
    /// Tick of the last picture that was handed out, if it is a keyframe.
    keyframe: Option<i64>,
    /// Changes of the video in `held`.
    changes: VecDeque<TrackSpan>,
    /// Whether the segment has ended.
    ended: bool,
    /// Whether no picture begins in the segment.
    pub within: bool,
    /// First PTS of each video.
    first_pts: Vec<(u16, Pts)>,
    /// Ticks of the last picture that was handed out and is no outlier, and of the last one.
    on_line: i64,
    last: i64,
}

/// Distance from the picture before that makes an outlier, unless the next one is near it, in
/// ticks.
const FAR: i64 = 3600 * TICKS_PER_SECOND;

/// Picture in the stream.
#[derive(Debug, Clone, Copy)]
struct Picture {
    pid: u16,
    offset: u64,
    pts: Option<Pts>,
    entry: Option<Entry>,
}

/// Next piece of a growing segment.
#[derive(Debug)]
pub(crate) enum Piece {
    /// Bytes for the current decoder.
    Bytes(Vec<u8>, Passed),
    /// Access point: decoding can start here.
    Access,
    /// Another video begins here.
    Change(TrackSpan),
}

/// Pictures that begin in some bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Ticks of the keyframes that are complete, on the session's timeline.
    pub keyframes: Vec<i64>,
    /// Number of other pictures.
    pub others: u64,
    /// Tick of the newest picture.
    pub newest: Option<i64>,
}

impl GrowingSegment {
    /// Follows a segment at `anchor`.
    pub(crate) fn new(asked: Asked, anchor: Anchor) -> Self {
        Self {
            scanner: Scanner::new(),
            asked,
            anchor,
            divider: None,
            video: None,
            pid: 0,
            held: Vec::new(),
            at: 0,
            upcoming: VecDeque::new(),
            keyframe: None,
            changes: VecDeque::new(),
            ended: false,
            within: true,
            first_pts: Vec::new(),
            on_line: anchor.offset,
            last: anchor.offset,
        }
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
        let mut rest = bytes;
        // In small steps, since tables a little further on may list another video.
        while self.divider.is_none() && !rest.is_empty() {
            let (step, after) = rest.split_at(rest.len().min(STEP));
            self.scan(Some(step));
            rest = after;
            self.find_video();
        }
        self.scan(Some(rest));
    }

    /// Scans the next bytes, or ends the scan with `None`.
    fn scan(&mut self, bytes: Option<&[u8]>) {
        let Self { scanner, divider, upcoming, changes, within, first_pts, .. } = self;
        let mut take = |found: Found<'_>| {
            if let Found::Pes(pes) = found
                && pes.media == Media::Video
            {
                *within = false;
                let Pes { pid, offset, pts, entry, .. } = pes;
                upcoming.push_back(Picture { pid, offset, pts, entry });
                if let Some(pts) = pts.filter(|_| first_pts.iter().all(|(known, _)| *known != pid))
                {
                    first_pts.push((pid, pts));
                }
            }
            if let Some(divider) = divider {
                changes.extend(divider.change(&found));
            }
        };
        match bytes {
            Some(bytes) => scanner.push(bytes, &mut take),
            None => scanner.finish(&mut take),
        }
    }

    /// Sets the video, if it is known by now.
    fn find_video(&mut self) {
        let Some(video) = self.asked.of_scanner(&self.scanner) else { return };
        let Some((_, first)) = self.first_pts.iter().find(|(pid, _)| *pid == video.pid) else {
            return;
        };
        // The first of several videos may come a little later.
        let others = self.asked.of_programs(self.scanner.programs());
        let is_late = others.first().is_some_and(|first| first.pid != video.pid);
        if is_late && self.scanner.position() < PATIENCE {
            return;
        }
        self.video = Some((video, *first));
        let mut divider = Divider::growing(video.pid, video.codec, self.asked);
        divider.change(&Found::Programs(self.scanner.programs()));
        (self.pid, self.divider) = (video.pid, Some(divider));
    }

    /// Returns the number of bytes that are held back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// Returns the video to decode and its first PTS, once they are known.
    pub(crate) fn video(&self) -> Option<(Video, Pts)> {
        self.video
    }

    /// Sets the anchor of the video, by its own clock.
    pub(crate) fn place(&mut self, anchor: Anchor) {
        self.anchor = anchor;
        (self.on_line, self.last) = (anchor.offset, anchor.offset);
    }

    /// Returns the next piece, if it is known; with `seek`, access points as well.
    pub(crate) fn next(&mut self, seek: bool) -> Option<Piece> {
        let divider = self.divider.as_ref()?;
        let pid = self.pid;
        let change = self.changes.front().map(|change| change.from);
        let is_access = |picture: &&Picture| {
            let is_clean = picture.entry == Some(Entry::Clean);
            seek && picture.pid == pid && is_clean && picture.offset >= self.at
        };
        let access = self.upcoming.iter().find(is_access).map(|picture| picture.offset);
        if change.is_some_and(|from| from <= self.at) {
            let change = self.changes.pop_front()?;
            self.pid = change.pid;
            return Some(Piece::Change(change));
        }
        if access == Some(self.at) {
            return Some(Piece::Access);
        }
        // Bytes that the scanner holds back may turn out to be an access point or a change.
        let unsure = seek || divider.expects_change();
        let known = if unsure && !self.ended { self.scanner.holdback() } else { u64::MAX };
        let up_to = [change, access].into_iter().flatten().fold(known, u64::min);
        let count = self.held.len().min(up_to.saturating_sub(self.at) as usize);
        if count == 0 {
            return None;
        }
        let rest = self.held.split_off(count);
        let bytes = std::mem::replace(&mut self.held, rest);
        self.at += count as u64;
        Some(Piece::Bytes(bytes, self.pass()))
    }

    /// Notes that the segment has ended, so no bytes are held back any more.
    pub(crate) fn finish(&mut self) {
        self.scan(None);
        self.ended = true;
    }

    /// Returns whether a picture is near the one before, or near the last one that is no outlier.
    fn is_on_line(&mut self, tick: i64) -> bool {
        let before = std::mem::replace(&mut self.last, tick);
        let is_near = [self.on_line, before].iter().any(|near| (tick - near).abs() <= FAR);
        if is_near {
            self.on_line = tick;
        }
        is_near
    }

    /// Takes the pictures that begin before `self.at`.
    fn pass(&mut self) -> Passed {
        let mut passed = Passed::default();
        while let Some(&picture) = self.upcoming.front()
            && picture.offset < self.at
        {
            self.upcoming.pop_front();
            if picture.pid != self.pid {
                continue;
            }
            let tick =
                picture.pts.map(|pts| self.anchor.place(pts)).filter(|&tick| self.is_on_line(tick));
            // A keyframe is complete when the next picture begins.
            passed.keyframes.extend(self.keyframe.take());
            // A picture of a gradual refresh cannot be decoded alone.
            if picture.entry.is_some_and(|entry| entry != Entry::Gradual) {
                self.keyframe = tick;
            } else {
                passed.others += 1;
            }
            passed.newest = passed.newest.max(tick);
        }
        passed
    }
}
