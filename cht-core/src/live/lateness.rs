//! How late a player is by its own word, over a while. Pure.
//!
//! The model of a player, which plays at the speed of our clock, is wrong for one that had no
//! processor for a moment: its sound stops, and everything after it is later by that time for ever.

use cht_ts::time::TICKS_PER_SECOND;

/// Lateness that is left alone, in ticks: players hold back a little sound.
const USUAL: i64 = TICKS_PER_SECOND / 5;

/// Lateness that is too much if it was never less during `WINDOW`, in ticks.
const TOO_LATE: i64 = TICKS_PER_SECOND * 2 / 5;

/// Time over which the least lateness counts, in ticks.
const WINDOW: i64 = TICKS_PER_SECOND;

/// The least lateness of a player since a moment.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    /// Beginning of the window, and the least lateness in it.
    window: Option<(i64, i64)>,
}

impl Lateness {
    /// Notes how late the player is at `now`, in ticks. Returns the time to catch up at the end of
    /// a window in which it was always too late.
    pub(super) fn note(&mut self, now: i64, late: i64) -> Option<i64> {
        let (began, least) = self.window.unwrap_or((now, i64::MAX));
        let least = least.min(late);
        self.window = Some((began, least));
        if now - began < WINDOW {
            return None;
        }
        self.window = None;
        (least > TOO_LATE).then_some(least - USUAL)
    }

    /// Begins anew, after the player has got other times.
    pub(super) fn clear(&mut self) {
        self.window = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what there is to catch up after a window with these, in hundredths of a second.
    fn after(late: &[i64]) -> Option<i64> {
        let mut lateness = Lateness::default();
        let hundredth = TICKS_PER_SECOND / 100;
        let mut told = late
            .iter()
            .zip(0..)
            .filter_map(|(late, n)| lateness.note(n * TICKS_PER_SECOND / 4, late * hundredth));
        told.next().map(|ticks| ticks / hundredth)
    }

    #[test]
    fn lasting_lateness_is_caught_up_but_for_the_usual() {
        assert_eq!(after(&[90, 80, 95, 100, 90]), Some(60));
        assert_eq!(after(&[30, 30, 30, 30, 30, 30]), None);
        // A moment without it: it is no lasting one.
        assert_eq!(after(&[90, 90, 20, 90, 90]), None);
        assert_eq!(after(&[90, 90, 90, 90]), None, "not long enough");
    }
}
