//! Loose segments that follow one another in a folder, placed on one timeline.

use serde::{Deserialize, Serialize};

use cht_ts::time::{TICKS_PER_SECOND, difference33, unwrap33};

use super::anchor::MAX_REST;
use crate::event::Anchor;

/// Longest overlap of the clocks of two consecutive files, in ticks: audio is cut elsewhere than
/// video.
const MAX_OVERLAP: i64 = TICKS_PER_SECOND / 10;

/// Clock of a finished segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first PTS, 33 bits.
    pub first_pts: u64,
    /// The first decoding time, 33 bits.
    pub first_dts: u64,
    /// The last decoding time, 33 bits.
    pub last_dts: u64,
    /// From the first PTS to the largest, in ticks.
    pub length: i64,
    /// From the first PTS to the largest before the clock jumps for the first time, in ticks.
    pub until_jump: i64,
    /// How long one frame lasts, in ticks; 0 if there is only one.
    pub frame: i64,
}

/// The timeline of loose segments that follow one another in a folder.
#[derive(Debug, Default)]
pub struct Succession {
    last: Option<Last>,
}

/// The segment that was placed last.
#[derive(Debug)]
struct Last {
    /// The line of its last picture, and that one's decoding time.
    anchor: Anchor,
    dts: u64,
    /// Where it ends, in ticks.
    end: i64,
}

impl Succession {
    /// Returns the anchor of the next segment. Where its clock jumps, `last_line` is the anchor
    /// after the last jump, with its offset from the first PTS.
    pub fn place(&mut self, span: Span, last_line: Option<Anchor>) -> Anchor {
        let anchor = match &self.last {
            None => Anchor { pts: span.first_pts as i64, offset: 0 },
            Some(Last { anchor, dts, end }) => {
                let last_dts = unwrap33(anchor.pts, *dts);
                // Consecutive files do not overlap, however short they are. The arrival times
                // around a step ahead are lost: it counts as a rest, unless it is longer than most.
                let step = difference33(last_dts, span.first_dts);
                if (-MAX_OVERLAP..=MAX_REST).contains(&step) {
                    anchor.moved_to(unwrap33(last_dts, span.first_pts))
                } else {
                    Anchor { pts: span.first_pts as i64, offset: *end }
                }
            }
        };
        let begin = anchor.place(span.first_pts as i64);
        let line = |line: Anchor| Anchor { offset: begin + line.offset, ..line };
        self.last = Some(Last {
            anchor: last_line.map_or(anchor, line),
            dts: span.last_dts,
            end: begin + span.length + span.frame,
        });
        anchor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 90_000;

    #[test]
    fn loose_segments_continue_or_are_laid_end_to_end() {
        let span = |first: u64| Span {
            first_pts: first,
            first_dts: first,
            last_dts: first + 9 * SECOND,
            length: 9 * 90_000,
            until_jump: 9 * 90_000,
            frame: 90_000,
        };
        let mut succession = Succession::default();
        assert_eq!(succession.place(span(SECOND), None).offset, 0);
        assert_eq!(succession.place(span(11 * SECOND), None).offset, 10 * 90_000);
        // Starts again at zero: ffmpeg -reset_timestamps 1.
        assert_eq!(succession.place(span(0), None), Anchor { pts: 0, offset: 20 * 90_000 });
        assert_eq!(succession.place(span(10 * SECOND), None).offset, 30 * 90_000);
        // A picture that rested for two minutes, and another recording of two hours later.
        assert_eq!(succession.place(span(130 * SECOND), None).offset, 150 * 90_000);
        assert_eq!(succession.place(span(7330 * SECOND), None).offset, 160 * 90_000);
    }
}
