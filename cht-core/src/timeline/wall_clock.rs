//! Wall clocks of the stream's pictures and sound.

use cht_ts::time::TICKS_PER_SECOND;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::event::Anchor;

/// Relates a segment's part of the timeline to the wall clock: that of the timeline's beginning, as
/// if the stream had run on without a pause since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallClock(Timestamp);

impl WallClock {
    /// Returns the wall clock of a segment whose first byte came at `opened_at`. `None` if the
    /// timeline's beginning is not a time.
    #[must_use]
    pub fn of_segment(opened_at: Timestamp, anchor: Anchor) -> Option<Self> {
        opened_at.checked_sub(duration(anchor.offset)).ok().map(Self)
    }

    /// Returns the wall clock of the session's tick `offset`, to the millisecond. `None` if it is
    /// not a time.
    #[must_use]
    pub fn at(self, offset: i64) -> Option<Timestamp> {
        let at = self.0.checked_add(duration(offset)).ok()?;
        Timestamp::from_millisecond(at.as_millisecond()).ok()
    }
}

fn duration(ticks: i64) -> SignedDuration {
    let (seconds, rest) = (ticks.div_euclid(TICKS_PER_SECOND), ticks.rem_euclid(TICKS_PER_SECOND));
    SignedDuration::from_secs(seconds) + SignedDuration::from_micros(rest * 100 / 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picture_is_as_long_after_the_segments_first_byte_as_on_the_timeline() {
        let opened_at: Timestamp = "2026-11-23T06:24:26.12Z".parse().unwrap();
        let clock = WallClock::of_segment(opened_at, Anchor { pts: 7, offset: 450_000 }).unwrap();
        assert_eq!(clock.at(450_000), Some(opened_at));
        assert_eq!(clock.at(585_000).unwrap().to_string(), "2026-11-23T06:24:27.62Z");
        assert_eq!(clock.at(449_910).unwrap().to_string(), "2026-11-23T06:24:26.119Z");
        assert_eq!(clock.at(i64::MAX), None);
    }
}
