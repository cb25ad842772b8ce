//! Where a segment's video changes its PID or its codec: there begins another decoder.

use cht_core::session::windows::Windows;
use cht_ts::{Codec, Found, Program, Scanner};

use super::select::Asked;

/// A part of a segment that one decoder can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackSpan {
    /// Where it begins, in bytes.
    pub from: u64,
    pub pid: u16,
    pub codec: Option<Codec>,
}

/// Divides a segment whose video is said to be `pid`, coded as `codec`, as far as it can be read.
pub(crate) fn divide(
    windows: Windows,
    pid: u16,
    codec: Option<Codec>,
    asked: Asked,
) -> Vec<TrackSpan> {
    let mut divider = Divider { pid, asked, listed: false, next: None, stretches: Vec::new() };
    let mut scanner = Scanner::new();
    for window in windows.map_while(Result::ok) {
        scanner.push(&window, &mut |found| divider.take(&found));
    }
    scanner.finish(&mut |found| divider.take(&found));
    divider.finish(codec)
}

/// The first PTS of `pid` in a segment.
pub(crate) fn first_pts(windows: Windows, pid: u16) -> Option<u64> {
    let (mut scanner, mut first) = (Scanner::new(), None);
    for window in windows.map_while(Result::ok) {
        scanner.push(&window, &mut |found| {
            if let Found::Pes(pes) = found
                && pes.pid == pid
            {
                first = first.or(pes.pts);
            }
        });
        if first.is_some() {
            break;
        }
    }
    first
}

/// Follows what the PMT lists.
#[derive(Debug)]
pub(crate) struct Divider {
    /// The video at the end of the segment, or at its beginning while it grows.
    pid: u16,
    asked: Asked,
    /// It was listed at some time.
    listed: bool,
    /// What is listed now, and has not begun.
    next: Option<(u16, Codec)>,
    stretches: Vec<TrackSpan>,
}

impl Divider {
    /// Of a segment that grows and begins with the video `pid`.
    pub(crate) fn growing(pid: u16, codec: Option<Codec>, asked: Asked) -> Self {
        let stretches = vec![TrackSpan { from: 0, pid, codec }];
        Self { pid, asked, listed: false, next: None, stretches }
    }

    /// Takes what was found; where another video begins, that.
    pub(crate) fn change(&mut self, found: &Found<'_>) -> Option<TrackSpan> {
        let before = self.stretches.len();
        self.take(found);
        if !self.listed {
            // A PMT that has never listed the video has nothing to say about it.
            self.next = None;
        }
        self.stretches.get(before).copied()
    }

    /// Whether the tables list another video, which has not begun.
    pub(crate) fn expects_change(&self) -> bool {
        self.next.is_some()
    }

    fn take(&mut self, found: &Found<'_>) {
        match found {
            Found::Programs(programs) => self.list(programs),
            Found::Pes(pes) => {
                if let Some((pid, codec)) = self.next.take_if(|(pid, _)| *pid == pes.pid) {
                    let from = if self.stretches.is_empty() { 0 } else { pes.offset };
                    self.stretches.push(TrackSpan { from, pid, codec: Some(codec) });
                }
            }
            _ => {}
        }
    }

    fn list(&mut self, programs: &[Program]) {
        let videos = self.asked.of_programs(programs).into_iter();
        let videos: Vec<_> = videos.filter_map(|video| Some((video.pid, video.codec?))).collect();
        let listed = |pid| videos.iter().copied().find(|(listed, _)| *listed == pid);
        self.listed |= listed(self.pid).is_some();
        let now = self.stretches.last().map(|stretch| (stretch.pid, stretch.codec));
        // The video stays where it is for as long as it is listed.
        let video =
            now.and_then(|(pid, _)| listed(pid)).or(listed(self.pid)).or(videos.first().copied());
        self.next = video.filter(|&(pid, codec)| now != Some((pid, Some(codec))));
    }

    fn finish(self, codec: Option<Codec>) -> Vec<TrackSpan> {
        // A PMT that does not list the video has nothing to say about it.
        if self.listed && self.stretches.last().is_some_and(|last| last.pid == self.pid) {
            return self.stretches;
        }
        vec![TrackSpan { from: 0, pid: self.pid, codec }]
    }
}
