//! Loose segments that follow one another in a folder, placed on one timeline.

use serde::{Deserialize, Serialize};

use cht_ts::{Pts, time::TICKS_PER_SECOND};

use super::anchor::MAX_REST;
use crate::event::Anchor;

/// Longest overlap of the clocks of two consecutive files, in ticks: audio is cut elsewhere than
/// video.
pub const MAX_OVERLAP: i64 = TICKS_PER_SECOND / 10;

/// Clock of a finished segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first PTS.
    #[serde(with = "on_wire")]
    pub first_pts: Pts,
    /// The first decoding time.
    #[serde(with = "on_wire")]
    pub first_dts: Pts,
    /// The last decoding time.
    #[serde(with = "on_wire")]
    pub last_dts: Pts,
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
    dts: Pts,
    /// Where it ends, in ticks.
    end: i64,
}

impl Succession {
    /// Returns the anchor of the next segment. Where its clock jumps, `last_line` is the anchor
    /// after the last jump, with its offset from the first PTS.
    pub fn place(&mut self, span: Span, last_line: Option<Anchor>) -> Anchor {
        let anchor = match &self.last {
            None => Anchor::first(span.first_pts, 0),
            Some(Last { anchor, dts, end }) => {
                // Consecutive files do not overlap, however short they are. The arrival times
                // around a step ahead are lost: it counts as a rest, unless it is longer than most.
                let step = span.first_dts.since(*dts);
                if (-MAX_OVERLAP..=MAX_REST).contains(&step) {
                    anchor.moved_to(span.first_pts)
                } else {
                    Anchor::first(span.first_pts, *end)
                }
            }
        };
        let begin = anchor.place(span.first_pts);
        let line = |line: Anchor| Anchor { offset: begin + line.offset, ..line };
        self.last = Some(Last {
            anchor: last_line.map_or(anchor, line),
            dts: span.last_dts,
            end: begin + span.length + span.frame,
        });
        anchor
    }
}

/// A clock value as its 33 bits.
mod on_wire {
    use cht_ts::Pts;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(pts: &Pts, to: S) -> Result<S::Ok, S::Error> {
        (pts.ticks() as u64).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Pts, D::Error> {
        let ticks = u64::deserialize(from)?;
        let pts = Some(Pts::new(ticks as i64)).filter(|pts| pts.ticks() as u64 == ticks);
        pts.ok_or_else(|| D::Error::custom("a clock value of more than 33 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 90_000;

    #[test]
    fn loose_segments_continue_or_are_laid_end_to_end() {
        let span = |first: i64| Span {
            first_pts: Pts::new(first),
            first_dts: Pts::new(first),
            last_dts: Pts::new(first + 9 * SECOND),
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

    #[test]
    fn clock_value_of_more_than_33_bits_is_not_read() {
        let read = |pts: u64| {
            let text = format!(
                r#"{{"first_pts":{pts},"first_dts":0,"last_dts":0,"length":0,"until_jump":0,"frame":0}}"#
            );
            serde_json::from_str::<Span>(&text).map(|span| span.first_pts)
        };
        assert_eq!(read((1 << 33) - 1).unwrap(), Pts::new(-1));
        assert!(read(1 << 33).is_err() && read(u64::MAX).is_err());
    }
}
