//! The session's timeline: which tick of the session a PTS is. The rules are in `docs/time.md`.

use std::time::{Duration, Instant};

use crate::{
    event::Anchor,
    time::{TICKS_PER_SECOND, difference33, unwrap33},
};

/// A step back in decoding order that B-frames and reordered arrival cannot explain.
const MAX_BACK: i64 = 2 * TICKS_PER_SECOND;
/// How far the clocks of two consecutive files may overlap: audio is cut elsewhere than video.
const MAX_OVERLAP: i64 = TICKS_PER_SECOND / 10;
/// A step ahead that no slow slide show explains.
const MAX_AHEAD: i64 = 60 * TICKS_PER_SECOND;

impl Anchor {
    /// The session's tick of a PTS of this segment, 33 bits or unwrapped.
    #[must_use]
    pub fn place(&self, pts: i64) -> i64 {
        self.offset + difference33(self.pts, pts as u64)
    }

    /// The same line through another of its points: the anchor of a later segment.
    #[must_use]
    pub fn moved_to(&self, pts: i64) -> Self {
        Self { pts, offset: self.place(pts) }
    }

    /// Whether both are points of one line, so that one decoder can run through.
    #[must_use]
    pub fn continues(&self, next: &Self) -> bool {
        self.place(next.pts) == next.offset
    }
}

/// Whether `dts` cannot follow `previous` on one clock, both in ticks.
#[must_use]
pub fn is_jump(previous: i64, dts: u64) -> bool {
    !(-MAX_BACK..=MAX_AHEAD).contains(&difference33(previous, dts))
}

/// What the arrival of a picture means for the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first picture of a connection.
    Start,
    /// On the line of the one before.
    Continues,
    /// The stream's clock jumped: a new segment has to begin here.
    Jump,
}

/// The timeline of a session that is being recorded, fed with every PTS of the video as it arrives.
#[derive(Debug, Default)]
pub struct Timeline {
    line: Option<Line>,
    /// When the last picture arrived, and its tick on the session's timeline.
    last: Option<(Instant, i64)>,
}

#[derive(Debug)]
struct Line {
    anchor: Anchor,
    /// Decoding time of the last picture, unwrapped.
    dts: i64,
}

impl Timeline {
    /// A timeline that continues a session whose recorded part ends at `offset` ticks.
    #[must_use]
    pub fn continuing(offset: i64, now: Instant) -> Self {
        Self { line: None, last: Some((now, offset)) }
    }

    /// A new connection: its clock has nothing to do with the one before.
    pub fn connect(&mut self) {
        self.line = None;
    }

    /// A picture has arrived at `now`. `pts` and `dts` are 33-bit ticks.
    pub fn observe(&mut self, pts: u64, dts: Option<u64>, now: Instant) -> Step {
        let decoding = dts.unwrap_or(pts);
        let step = match &self.line {
            None => Step::Start,
            Some(line) if is_jump(line.dts, decoding) => Step::Jump,
            Some(_) => Step::Continues,
        };
        let continued = self.line.take().filter(|_| step == Step::Continues);
        let line = if let Some(line) = continued {
            let dts = unwrap33(line.dts, decoding);
            // The anchor follows, so that it is never half a wrap behind.
            Line { anchor: line.anchor.moved_to(unwrap33(dts, pts)), dts }
        } else {
            let offset = self
                .last
                .map_or(0, |(then, offset)| offset + ticks_of(now.saturating_duration_since(then)));
            // `dts` may lie before zero when PTS has just wrapped and DTS has not.
            let pts = pts as i64;
            Line { anchor: Anchor { pts, offset }, dts: unwrap33(pts, decoding) }
        };
        let offset = line.anchor.offset;
        let furthest = self.last.map_or(offset, |(_, before)| before.max(offset));
        self.last = Some((now, furthest));
        self.line = Some(line);
        step
    }

    /// The anchor at the last observed picture; `None` before the first of a connection.
    #[must_use]
    pub fn anchor(&self) -> Option<Anchor> {
        self.line.as_ref().map(|line| line.anchor)
    }
}

/// What a finished segment tells about its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first PTS, 33 bits.
    pub first_pts: u64,
    /// The first decoding time, 33 bits.
    pub first_dts: u64,
    /// The last decoding time, 33 bits.
    pub last_dts: u64,
    /// From the first PTS to the largest, in ticks.
    pub length: i64,
    /// How long one frame lasts, in ticks; 0 if there is only one.
    pub frame: i64,
}

/// The timeline of loose segments that follow one another in a folder.
#[derive(Debug, Default)]
pub struct Succession {
    /// The anchor and the span of the last one.
    last: Option<(Anchor, Span)>,
}

impl Succession {
    /// The anchor of the next segment.
    pub fn place(&mut self, span: Span) -> Anchor {
        let anchor = match self.last {
            None => Anchor { pts: span.first_pts as i64, offset: 0 },
            Some((anchor, previous)) => {
                let last_dts = unwrap33(anchor.pts, previous.last_dts);
                // Files that follow one another do not overlap, however short they are.
                let back = difference33(last_dts, span.first_dts) < -MAX_OVERLAP;
                if back || is_jump(last_dts, span.first_dts) {
                    let offset = anchor.offset + previous.length + previous.frame;
                    Anchor { pts: span.first_pts as i64, offset }
                } else {
                    anchor.moved_to(unwrap33(last_dts, span.first_pts))
                }
            }
        };
        self.last = Some((anchor, span));
        anchor
    }
}

fn ticks_of(duration: Duration) -> i64 {
    (duration.as_nanos() * TICKS_PER_SECOND as u128 / 1_000_000_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRAP: u64 = 1 << 33;
    const SECOND: u64 = 90_000;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn starts_at_zero_and_follows_the_stream() {
        let (mut timeline, start) = (Timeline::default(), crate::clock::monotonic());
        assert_eq!(timeline.observe(126_000, None, start), Step::Start);
        assert_eq!(timeline.anchor(), Some(Anchor { pts: 126_000, offset: 0 }));
        // The arrival clock does not matter while the stream's clock runs.
        assert_eq!(timeline.observe(126_000 + SECOND, None, after(start, 7)), Step::Continues);
        assert_eq!(timeline.anchor().unwrap().offset, 90_000);
    }

    #[test]
    fn dts_may_wrap_after_pts_and_frames_may_step_back() {
        let (mut timeline, now) = (Timeline::default(), crate::clock::monotonic());
        timeline.observe(WRAP - 3000, Some(WRAP - 6000), now);
        for (pts, dts, offset) in [(3000, WRAP - 3000, 6000), (0, 0, 3000), (9000, 3000, 12_000)] {
            assert_eq!(timeline.observe(pts, Some(dts), now), Step::Continues);
            assert_eq!(timeline.anchor().unwrap().offset, offset);
        }
    }

    #[test]
    fn a_jump_and_a_connection_continue_by_the_arrival_clock() {
        let (mut timeline, start) = (Timeline::default(), crate::clock::monotonic());
        timeline.observe(100 * SECOND, None, start);
        assert_eq!(timeline.observe(90 * SECOND, None, after(start, 1)), Step::Jump);
        assert_eq!(timeline.anchor(), Some(Anchor { pts: 90 * 90_000, offset: 90_000 }));
        timeline.connect();
        assert_eq!(timeline.anchor(), None);
        assert_eq!(timeline.observe(5, None, after(start, 11)), Step::Start);
        assert_eq!(timeline.anchor(), Some(Anchor { pts: 5, offset: 11 * 90_000 }));
    }

    #[test]
    fn two_wraps_in_one_session() {
        let (mut timeline, now) = (Timeline::default(), crate::clock::monotonic());
        let step = 50 * SECOND;
        for n in 0..=2 * WRAP / step + 10 {
            timeline.observe(n * step % WRAP, None, now);
            assert_eq!(timeline.anchor().unwrap().offset, (n * step) as i64);
        }
    }

    #[test]
    fn loose_segments_continue_or_are_laid_end_to_end() {
        let span = |first: u64| Span {
            first_pts: first,
            first_dts: first,
            last_dts: first + 9 * SECOND,
            length: 9 * 90_000,
            frame: 90_000,
        };
        let mut succession = Succession::default();
        assert_eq!(succession.place(span(SECOND)).offset, 0);
        assert_eq!(succession.place(span(11 * SECOND)).offset, 10 * 90_000);
        // Starts again at zero: ffmpeg -reset_timestamps 1.
        assert_eq!(succession.place(span(0)), Anchor { pts: 0, offset: 20 * 90_000 });
        assert_eq!(succession.place(span(10 * SECOND)).offset, 30 * 90_000);
    }
}
