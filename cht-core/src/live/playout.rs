//! The player's time: the stream's time without the stretches that the player has to skip to be
//! live. Pure.

use cht_ts::Pts;

/// Speed of a squeezed stretch, relative to the stream: ten seconds take a tenth of one, and two
/// pictures of 120 a second still differ in time.
const SQUEEZE: i64 = 100;

/// Maps time stamps of the stream to those for the player, in ticks. Continuous and increasing, to
/// keep the order of pictures and of PTS and DTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Playout {
    /// Start of the last squeezed stretch, in the stream's time, unwrapped.
    from: i64,
    /// End of it; `None` while it continues.
    to: Option<i64>,
    /// The player's time at `from`.
    at: i64,
}

impl Playout {
    /// Begins with a squeezed stretch at `from`, which keeps its time.
    pub(super) fn begin(from: i64) -> Self {
        Self::begin_at(from, from)
    }

    /// Begins with a squeezed stretch at `from`, for which the player's time is `at`.
    pub(super) fn begin_at(from: i64, at: i64) -> Self {
        Self { from, to: None, at }
    }

    pub(super) fn is_squeezing(&self) -> bool {
        self.to.is_none()
    }

    /// Returns the player's time for `ticks` of the stream, unwrapped.
    pub(super) fn place(&self, ticks: i64) -> i64 {
        if ticks < self.from {
            return self.at - (self.from - ticks);
        }
        let end = self.to.unwrap_or(ticks);
        let inside = ticks.min(end) - self.from;
        self.at + inside / SQUEEZE + (ticks - end).max(0)
    }

    /// Returns the player's time stamp for one of the stream near `reference`.
    pub(super) fn place_stamp(&self, reference: i64, stamp: Pts) -> Pts {
        Pts::new(self.place(stamp.near(reference)))
    }

    /// Returns whether `stamp`, near `reference`, lies in the squeezed stretch, where there is no
    /// time to play sound.
    pub(super) fn is_squeezed(&self, reference: i64, stamp: Pts) -> bool {
        let ticks = stamp.near(reference);
        ticks >= self.from && self.to.is_none_or(|to| ticks < to)
    }

    /// Starts squeezing at `ticks`.
    pub(super) fn squeeze(&mut self, ticks: i64) {
        *self = Self { from: ticks, to: None, at: self.place(ticks) };
    }

    /// Ends the squeezed stretch at `ticks`.
    pub(super) fn resume(&mut self, ticks: i64) {
        self.to = Some(ticks.max(self.from));
    }

    /// Continues at the player's time `at` with `ticks`, after a jump of the stream's clock.
    pub(super) fn jump(&mut self, ticks: i64, at: i64) {
        *self = Self { from: ticks, to: self.to.map(|_| ticks), at };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squeezed_stretch_takes_a_hundredth_and_rest_keeps_pace() {
        let mut playout = Playout::begin(1000);
        assert_eq!([900, 1000, 11_000].map(|t| playout.place(t)), [900, 1000, 1100]);
        playout.resume(11_000);
        assert_eq!([11_000, 12_000].map(|t| playout.place(t)), [1100, 2100]);
        let is_squeezed = |ticks| playout.is_squeezed(5000, Pts::new(ticks));
        assert!(is_squeezed(10_999) && !is_squeezed(11_000));
        playout.squeeze(12_000);
        assert_eq!([11_500, 12_000, 22_000].map(|t| playout.place(t)), [1600, 2100, 2200]);
        playout.jump(500_000, 2300);
        assert!(playout.is_squeezing());
        assert_eq!([500_000, 510_000].map(|t| playout.place(t)), [2300, 2400]);
        playout.resume(510_000);
        playout.jump(7, 9000);
        assert!(!playout.is_squeezing());
        assert_eq!([7, 107].map(|t| playout.place(t)), [9000, 9100]);
        // 33 bits across the wrap.
        let (wrap, near) = (1_i64 << 33, Playout { from: 0, to: Some(0), at: -50 });
        for reference in [wrap - 10, 10] {
            assert_eq!(near.place_stamp(reference, Pts::new(20)), Pts::new(-30));
        }
    }
}
