//! Tells when the sound has stopped, by the clock of the stream. Pure.
//!
//! The decision depends on the bytes alone, so that a restart and a batch make the same one.

use cht_ts::{Pts, time::TICKS_PER_SECOND};

/// Time of the stream without sound after which the piece under way ends, in ticks: longer than any
/// sound that a multiplexer holds back.
const LONGEST: i64 = 3 * TICKS_PER_SECOND;

/// Longest step of the clock that counts, in ticks: a longer one is another clock, or a hole.
const MAX_STEP: i64 = TICKS_PER_SECOND;

/// Time of the stream since the last sound.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    /// The PID whose clock is used, and its last PCR.
    clock: Option<(u16, Pts)>,
    /// Time since the last sound; `None` before the first, and once it has stopped.
    since: Option<i64>,
}

impl Stopped {
    /// Takes sound.
    pub(crate) fn sound(&mut self) {
        self.since = Some(0);
    }

    /// Takes a PCR. Returns whether the sound has stopped, once.
    pub(crate) fn clock(&mut self, (pid, pcr): (u16, Pts)) -> bool {
        let (first, last) = *self.clock.get_or_insert((pid, pcr));
        if pid != first {
            return false;
        }
        self.clock = Some((pid, pcr));
        let step = pcr.since(last);
        let Some(since) = self.since.as_mut().filter(|_| (0..=MAX_STEP).contains(&step)) else {
            return false;
        };
        *since += step;
        let has_stopped = *since > LONGEST;
        if has_stopped {
            self.since = None;
        }
        has_stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops_at(stopped: &mut Stopped, ticks: impl IntoIterator<Item = i64>) -> Vec<i64> {
        ticks.into_iter().filter(|ticks| stopped.clock((1, Pts::new(*ticks)))).collect()
    }

    #[test]
    fn sound_stops_after_three_seconds_of_the_clock_once() {
        let mut stopped = Stopped::default();
        let clock = |halves: std::ops::Range<i64>| halves.map(|n| n * 45_000);
        assert_eq!(stops_at(&mut stopped, clock(0..99)), [0_i64; 0], "none came yet");
        stopped.sound();
        assert_eq!(stops_at(&mut stopped, clock(99..104)), [0_i64; 0]);
        stopped.sound();
        assert_eq!(stops_at(&mut stopped, clock(104..150)), [110 * 45_000]);
        stopped.sound();
        let last = Pts::WRAP / 45_000;
        let stops = stops_at(&mut stopped, clock(last - 2..last + 9));
        assert_eq!(stops.len(), 1, "it wraps");
    }

    #[test]
    fn other_clocks_and_jumps_do_not_count() {
        let mut stopped = Stopped::default();
        stopped.clock((1, Pts::new(0)));
        stopped.sound();
        assert!((0..99).all(|n| !stopped.clock((2, Pts::new(n * 45_000)))));
        assert_eq!(stops_at(&mut stopped, (0..99).map(|n| n * 900_000)), [0_i64; 0]);
    }
}
