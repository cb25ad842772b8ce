//! Finds where the video changes its PID or codec within a segment: another decoder starts there.

use cht_core::session::finished_segment::Windows;
use cht_ts::{Codec, Found, Program, Pts, Scanner};

use super::select::Asked;

/// Part of a segment that one decoder can decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackSpan {
    /// Byte offset of its beginning.
    pub from: u64,
    pub pid: u16,
    pub codec: Option<Codec>,
}

/// Divides a segment, as far as it can be read; `pid` and `codec` are its video by its event.
pub(crate) fn divide(
    windows: Windows,
    pid: u16,
    codec: Option<Codec>,
    asked: Asked,
) -> Vec<TrackSpan> {
    let mut divider = Divider { pid, asked, listed: false, next: None, spans: Vec::new() };
    let mut scanner = Scanner::new();
    for window in windows.map_while(Result::ok) {
        scanner.push(&window, &mut |found| divider.take(&found));
    }
    scanner.finish(&mut |found| divider.take(&found));
    divider.finish(codec)
}

/// Returns the first PTS of `pid` in a segment.
pub(crate) fn first_pts(windows: Windows, pid: u16) -> Option<Pts> {
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

/// Follows the videos that the PMTs list.
#[derive(Debug)]
pub(crate) struct Divider {
    /// PID at the end of the segment, or at its beginning while it grows.
    pid: u16,
    asked: Asked,
    /// Whether a PMT has listed this PID.
    listed: bool,
    /// Video that is listed now, and has not begun.
    next: Option<(u16, Codec)>,
    spans: Vec<TrackSpan>,
}

impl Divider {
    /// Divides a growing segment that begins with the video `pid`.
    pub(crate) fn growing(pid: u16, codec: Option<Codec>, asked: Asked) -> Self {
        let spans = vec![TrackSpan { from: 0, pid, codec }];
        Self { pid, asked, listed: false, next: None, spans }
    }

    /// Takes an item of the scanner, and returns the span that begins with it.
    pub(crate) fn change(&mut self, found: &Found<'_>) -> Option<TrackSpan> {
        let before = self.spans.len();
        self.take(found);
        if !self.listed {
            // PMTs that have never listed the video cannot announce its change.
            self.next = None;
        }
        self.spans.get(before).copied()
    }

    /// Returns whether the tables list another video that has not begun.
    pub(crate) fn expects_change(&self) -> bool {
        self.next.is_some()
    }

    fn take(&mut self, found: &Found<'_>) {
        match found {
            Found::Programs(programs) => self.list(programs),
            Found::Pes(pes) => {
                if let Some((pid, codec)) = self.next.take_if(|(pid, _)| *pid == pes.pid) {
                    let from = if self.spans.is_empty() { 0 } else { pes.offset };
                    self.spans.push(TrackSpan { from, pid, codec: Some(codec) });
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
        let now = self.spans.last().map(|span| (span.pid, span.codec));
        // The video does not change while it is listed.
        let video =
            now.and_then(|(pid, _)| listed(pid)).or(listed(self.pid)).or(videos.first().copied());
        self.next = video.filter(|&(pid, codec)| now != Some((pid, Some(codec))));
    }

    fn finish(self, codec: Option<Codec>) -> Vec<TrackSpan> {
        // PMTs that do not list the video cannot divide it.
        if self.listed && self.spans.last().is_some_and(|last| last.pid == self.pid) {
            return self.spans;
        }
        vec![TrackSpan { from: 0, pid: self.pid, codec }]
    }
}
