//! PES packets of the sound on their way to a decoder: their times, and the last of them for the
//! decoder that is next. Pure.

use std::collections::VecDeque;

use cht_ts::{PACKET_LEN, Pts, time::TICKS_PER_SECOND};

/// Sound that a decoder gets before its first sample counts, and that the one before it gets after
/// its last one, in ticks: several frames of every codec.
pub(crate) const BEFORE: i64 = TICKS_PER_SECOND / 2;
pub(crate) const AFTER: i64 = TICKS_PER_SECOND / 4;

/// Longest time ahead of the packet before that one packet proves, in ticks.
const MAX_AHEAD: i64 = 3600 * TICKS_PER_SECOND;

/// Longest time before the video that sound begins with, in ticks.
const MAX_EARLY: i64 = 10 * TICKS_PER_SECOND;

/// Longest step back that a recording joined to another one makes, in ticks, and the number of PES
/// packets before it that went on. Such a step is no outlier.
const MAX_OVERLAP: i64 = TICKS_PER_SECOND / 2;
const WENT_ON: u32 = 8;

/// Largest distance of two packets that agree on a new clock, in ticks.
const AGREE: i64 = 10 * TICKS_PER_SECOND;

/// PES packets, as transport packets.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Number of the segment in the run, and the first byte in it.
    pub segment: u64,
    pub byte: u64,
    /// PTS of the first PES packet, unwrapped.
    pub pts: i64,
    pub packets: Vec<[u8; PACKET_LEN]>,
}

/// The last half second of sound before the one that is kept, and all after it.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    groups: VecDeque<Group>,
}

impl Recent {
    /// Adds the packet that begins a PES packet; forgets those more than [`BEFORE`] before `keep`.
    pub(crate) fn begin(&mut self, group: Group, keep: i64) {
        self.groups.push_back(group);
        while self.groups.get(1).is_some_and(|group| group.pts <= keep - BEFORE) {
            self.groups.pop_front();
        }
    }

    /// Adds another packet.
    pub(crate) fn add(&mut self, packet: &[u8; PACKET_LEN]) {
        if let Some(group) = self.groups.back_mut() {
            group.packets.push(*packet);
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.groups.clear();
    }

    /// Returns all, oldest first.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }
}

/// What the time of a PES packet means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It goes on at this PTS, unwrapped.
    At(i64),
    /// The clock was set: another decoder begins at this PTS.
    Jump(i64),
    /// It belongs to another clock and comes before any of this one.
    Foreign,
}

/// Unwraps the times of PES packets.
#[derive(Debug)]
pub(crate) struct Times {
    /// Time near which the first one lies, in ticks.
    anchor: i64,
    last: Option<i64>,
    /// Time between the last two.
    step: i64,
    /// Time of one that did not go on.
    doubt: Option<i64>,
    /// Number of packets since then that went on.
    went_on: u32,
}

impl Times {
    pub(crate) fn new(anchor: i64) -> Self {
        Self { anchor, last: None, step: 0, doubt: None, went_on: 0 }
    }

    /// Judges the PTS of the first packet of another format: it lies where it says.
    pub(crate) fn begin_again(&mut self, pts: Pts) -> Judged {
        (self.anchor, self.doubt) = (self.last.take().unwrap_or(self.anchor), None);
        self.judge(pts)
    }

    /// Judges the next PTS. One that does not go on from the one before is an outlier, and lies
    /// where it would be expected; two that agree are a jump.
    pub(crate) fn judge(&mut self, pts: Pts) -> Judged {
        let Some(last) = self.last else {
            let pts = pts.near(self.anchor);
            if pts < self.anchor - MAX_EARLY {
                return Judged::Foreign;
            }
            self.last = Some(pts);
            return Judged::At(pts);
        };
        let at = pts.near(last);
        if (last..=last + MAX_AHEAD).contains(&at) {
            (self.step, self.last, self.doubt) = (at - last, Some(at), None);
            self.went_on = self.went_on.saturating_add(1);
            return Judged::At(at);
        }
        let is_overlap = (last - MAX_OVERLAP..last).contains(&at) && self.went_on >= WENT_ON;
        self.went_on = 0;
        if is_overlap {
            (self.step, self.last, self.doubt) = (0, Some(at), None);
            return Judged::Jump(at);
        }
        if self.doubt.is_some_and(|doubt| (0..AGREE).contains(&(at - doubt))) {
            (self.step, self.last, self.doubt) = (0, Some(at), None);
            return Judged::Jump(at);
        }
        self.doubt = Some(at);
        let expected = last + self.step.min(TICKS_PER_SECOND);
        self.last = Some(expected);
        Judged::At(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlier_is_where_it_is_expected_and_two_are_a_jump() {
        let mut times = Times::new(1000);
        let judged =
            [1000, 3000, 5000, 900_000_000, 9000, 500, 2500].map(|pts| times.judge(Pts::new(pts)));
        assert_eq!(judged[..5], [1000, 3000, 5000, 7000, 9000].map(Judged::At));
        assert_eq!(judged[5..], [Judged::At(11_000), Judged::Jump(2500)]);
    }

    #[test]
    fn small_step_back_is_a_jump_once_the_clock_went_on() {
        let mut times = Times::new(0);
        for n in 0..10 {
            assert_eq!(times.judge(Pts::new(n * 1000)), Judged::At(n * 1000));
        }
        assert_eq!(times.judge(Pts::new(8500)), Judged::Jump(8500));
        assert_eq!(times.judge(Pts::new(8000)), Judged::At(8500), "it goes back all the time");
    }

    #[test]
    fn clock_wraps() {
        let wrap = 1 << 33;
        let mut times = Times::new(wrap - 2000);
        assert_eq!(times.judge(Pts::new(wrap - 1000)), Judged::At(wrap - 1000));
        assert_eq!(times.judge(Pts::new(1000)), Judged::At(wrap + 1000));
    }

    #[test]
    fn sound_of_the_clock_before_is_foreign() {
        let mut times = Times::new(90_000_000);
        assert_eq!(times.judge(Pts::new(1000)), Judged::Foreign);
        assert_eq!(times.judge(Pts::new(89_999_000)), Judged::At(89_999_000));
    }

    #[test]
    fn half_a_second_is_kept() {
        let mut recent = Recent::default();
        for n in 0..20 {
            let pts = n * 9000;
            recent.begin(Group { segment: 0, byte: n as u64, pts, packets: vec![] }, pts);
            recent.add(&[0; PACKET_LEN]);
        }
        let kept: Vec<_> = recent.groups().map(|group| group.pts).collect();
        assert_eq!((kept[0], kept.len()), (14 * 9000, 6));
    }
}
