//! Times of samples: by the time stamps of the stream, never by counting samples across a hole.

use std::collections::VecDeque;

use cht_ts::time::TICKS_PER_SECOND;

/// Largest difference between a time stamp and the end of the sound before it that is no hole, in
/// ticks: 10 ms. Time stamps are rounded, some to milliseconds; the shortest frames are lost with
/// others of their PES packet.
const JITTER: i64 = TICKS_PER_SECOND / 100;

/// Relation of a frame to the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It goes on, or is the first.
    Continues,
    /// This many ticks are missing before it.
    Hole(i64),
    /// It begins before the end of the one before: the clock was set back.
    Back,
}

/// Times of the samples of one run, which are counted from 0.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Counts and ticks of the first samples of recent frames, and their rates in hertz.
    marks: VecDeque<(u64, i64, u32)>,
    /// Samples so far.
    count: u64,
    /// End of the last frame, in ticks.
    end: Option<i64>,
}

impl Line {
    /// Returns the number of samples so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the relation of a frame at `ticks` to the one before.
    pub(crate) fn step(&self, ticks: i64) -> Step {
        match self.end.map(|end| ticks - end) {
            Some(hole) if hole > JITTER => Step::Hole(hole),
            Some(hole) if hole < -JITTER => Step::Back,
            _ => Step::Continues,
        }
    }

    /// Adds a frame of `samples` samples at `ticks`.
    pub(crate) fn add(&mut self, ticks: i64, rate: u32, samples: u64) {
        self.marks.push_back((self.count, ticks, rate));
        self.count += samples;
        self.end = Some(ticks + span(samples, rate));
    }

    /// Returns the end of the last frame, in ticks.
    pub(crate) fn end(&self) -> Option<i64> {
        self.end
    }

    /// Returns the ticks of a sample.
    pub(crate) fn ticks(&self, count: u64) -> Option<i64> {
        let mark = self.marks.iter().rev().find(|mark| mark.0 <= count);
        let &(at, ticks, rate) = mark.or(self.marks.front())?;
        Some(ticks + span(count.saturating_sub(at), rate))
    }

    /// Forgets the times of samples before `count`.
    pub(crate) fn forget(&mut self, count: u64) {
        while self.marks.get(1).is_some_and(|mark| mark.0 <= count) {
            self.marks.pop_front();
        }
    }
}

/// Returns the duration of samples in ticks, to the nearest.
pub(crate) fn span(samples: u64, rate: u32) -> i64 {
    let rate = u64::from(rate.max(1));
    ((samples * TICKS_PER_SECOND as u64 + rate / 2) / rate) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_stamps_are_no_holes() {
        let mut line = Line::default();
        assert_eq!(line.step(5), Step::Continues);
        // Frames of 1024 samples at 44.1 kHz, stamped in milliseconds.
        for n in 0..200_i64 {
            let ticks = n * 1024 * 1000 / 44_100 * 90;
            assert_eq!(line.step(ticks), Step::Continues, "{n}");
            line.add(ticks, 44_100, 1024);
        }
        assert_eq!(line.count(), 204_800);
        let ticks = line.ticks(100 * 1024 + 441).unwrap();
        assert_eq!(ticks, 100 * 1024 * 1000 / 44_100 * 90 + 900);
    }

    #[test]
    fn lost_frame_is_a_hole_and_clock_set_back_is_not_one() {
        let mut line = Line::default();
        line.add(0, 48_000, 1024);
        assert_eq!(line.step(1920), Step::Continues);
        assert_eq!(line.step(3840), Step::Hole(1920));
        assert_eq!(line.step(0), Step::Back);
        line.add(3840, 48_000, 1024);
        assert_eq!((line.ticks(1023), line.ticks(1024)), (Some(1918), Some(3840)));
        line.forget(1024);
        assert_eq!((line.ticks(1024), line.ticks(2048)), (Some(3840), Some(5760)));
    }
}
