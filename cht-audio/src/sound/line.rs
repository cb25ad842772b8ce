//! Times of samples: by the time stamps of the stream, never by counting samples across a hole.

use std::collections::VecDeque;

use cht_ts::time::TICKS_PER_SECOND;

/// Difference between a time stamp and the end of the sound before it that is rounding, in ticks:
/// 10 ms. Some senders have time stamps in milliseconds.
const ROUNDING: i64 = TICKS_PER_SECOND / 100;

/// Largest one that may be jitter, in ticks: 100 ms, above which ffmpeg's resampler adds or drops
/// samples (`min_hard_comp`).
const JITTER: i64 = TICKS_PER_SECOND / 10;

/// Frames in a row with one such difference, and how far they may lie apart, in ticks: jitter has
/// another difference each time, lost sound has the same one from there on.
const AGREEING: u32 = 8;
const APART: i64 = 3 * TICKS_PER_SECOND / 1000;

/// Part of a difference by which the expected time follows: clocks drift.
const FOLLOWED: i64 = 8;

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
    /// End of the last frame, in ticks: where the next one is expected.
    end: Option<i64>,
    /// First of the last differences that agree, and their number.
    doubt: (i64, u32),
}

impl Line {
    /// Returns the number of samples so far.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the relation of a frame at `ticks` to the one before.
    pub(crate) fn judge(&mut self, ticks: i64) -> Step {
        let Some(end) = self.end else { return Step::Continues };
        let off = ticks - end;
        if off.abs() <= ROUNDING {
            self.doubt = (0, 0);
            self.end = Some(end + off / FOLLOWED);
            return Step::Continues;
        }
        let (first, count) = self.doubt;
        let agrees = count > 0 && (off - first).abs() <= APART;
        self.doubt = if agrees { (first, count + 1) } else { (off, 1) };
        if off.abs() <= JITTER && self.doubt.1 < AGREEING {
            return Step::Continues;
        }
        (self.doubt, self.end) = ((0, 0), Some(ticks));
        if off > 0 { Step::Hole(off) } else { Step::Back }
    }

    /// Adds a frame of `samples` samples at `ticks`, after it was judged.
    pub(crate) fn add(&mut self, ticks: i64, rate: u32, samples: u64) {
        self.marks.push_back((self.count, ticks, rate));
        self.count += samples;
        self.end = Some(self.end.unwrap_or(ticks) + span(samples, rate));
    }

    /// Returns the end of the last frame, in ticks.
    pub(crate) fn end(&self) -> Option<i64> {
        self.end
    }

    /// Sets where the next frame is expected.
    pub(crate) fn expect(&mut self, ticks: i64) {
        self.end = Some(ticks);
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

    fn step(line: &mut Line, ticks: i64, rate: u32) -> Step {
        let step = line.judge(ticks);
        line.add(ticks, rate, 1024);
        step
    }

    #[test]
    fn rounded_stamps_are_no_holes() {
        let mut line = Line::default();
        // Frames of 1024 samples at 44.1 kHz, stamped in milliseconds.
        for n in 0..200_i64 {
            let ticks = n * 1024 * 1000 / 44_100 * 90;
            assert_eq!(step(&mut line, ticks, 44_100), Step::Continues, "{n}");
        }
        assert_eq!(line.count(), 204_800);
        let ticks = line.ticks(100 * 1024 + 441).unwrap();
        assert_eq!(ticks, 100 * 1024 * 1000 / 44_100 * 90 + 900);
    }

    #[test]
    fn jitter_and_drift_are_no_holes() {
        let (mut line, mut state) = (Line::default(), 1_u32);
        for n in 0..20_000_i64 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Up to 25 ms to each side, and a clock that is 100 ppm too fast.
            let jitter = i64::from(state >> 16) * 4500 / 65_536 - 2250;
            let ticks = n * 1920 + n * 1920 / 10_000 + jitter;
            assert_eq!(step(&mut line, ticks, 48_000), Step::Continues, "{n}");
        }
    }

    #[test]
    fn lost_sound_is_a_hole_at_once_or_when_frames_agree() {
        let mut line = Line::default();
        assert_eq!(step(&mut line, 0, 48_000), Step::Continues);
        assert_eq!(step(&mut line, 1920 * 6 + 900, 48_000), Step::Hole(1920 * 5 + 900));
        // One frame is lost.
        let mut ticks = 1920 * 8 + 900;
        for _ in 1..AGREEING {
            assert_eq!(step(&mut line, ticks, 48_000), Step::Continues);
            ticks += 1920;
        }
        assert_eq!(step(&mut line, ticks, 48_000), Step::Hole(1920));
        assert_eq!(step(&mut line, ticks + 1920, 48_000), Step::Continues);
    }

    #[test]
    fn clock_set_back_is_no_hole() {
        let mut line = Line::default();
        step(&mut line, 90_000, 48_000);
        assert_eq!(step(&mut line, 0, 48_000), Step::Back);
        assert_eq!((line.ticks(1023), line.ticks(1024)), (Some(91_918), Some(0)));
        line.forget(1024);
        assert_eq!((line.ticks(1024), line.ticks(2048)), (Some(0), Some(1920)));
    }
}
