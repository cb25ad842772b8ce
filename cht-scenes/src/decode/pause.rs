//! Pauses of a live video: when its last picture is taken to be whole, and how much of the stream's time has passed since.
//!
//! Both are judged by the clock on which pictures arrive, and are never certain: the next picture may be on its way. So
//! time on the stream's clock is taken to pass later, by as much as pictures have been late before.

use std::time::{Duration, Instant};

use cht_ts::time::{TICKS_PER_SECOND, unwrap33};

/// Time without anything new of the video after which its last picture is ended.
const PAUSE: Duration = Duration::from_millis(300);

/// Least time by which a picture may be late, in ticks.
const LEAST_LATE: i64 = TICKS_PER_SECOND;

/// Time in which the lateness of a picture is forgotten by half.
const FORGETS: Duration = Duration::from_secs(60);

/// Least time between two looks at a pause.
const STEP: Duration = Duration::from_millis(100);

/// A pause after a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    /// The PTS of the picture.
    pub pts: u64,
    /// How long it is shown at least, in ticks.
    pub lasts: i64,
}

/// When pictures have arrived.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The last picture: its PTS, and when it was there.
    last: Option<(u64, Instant)>,
    /// When anything of the video arrived last.
    newest: Option<Instant>,
    /// By how many ticks a picture was late, and when.
    late: Option<(i64, Instant)>,
    looked: Option<Instant>,
}

impl Arrivals {
    /// Takes note that something of the video arrived at `now`, by when the last picture was that with the PTS `newest`.
    pub(crate) fn arrive(&mut self, newest: Option<u64>, now: Instant) {
        self.newest = Some(now);
        let Some(pts) = newest else { return };
        if let Some((before, then)) = self.last.filter(|(before, _)| *before != pts) {
            let passed = unwrap33(before as i64, pts) - before as i64;
            let late = ticks(now.saturating_duration_since(then)) - passed;
            if late > self.late(now) {
                self.late = Some((late, now));
            }
        }
        if self.last.is_none_or(|(before, _)| before != pts) {
            self.last = Some((pts, now));
        }
    }

    /// Whether nothing has come for so long that the last picture is to be ended, or looked at again.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let since = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
        let is_due = since(self.newest).is_some_and(|quiet| quiet >= PAUSE)
            && since(self.looked).is_none_or(|looked| looked >= STEP);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// Returns the pause after the last picture, if it has lasted longer than pictures are late.
    pub(crate) fn pause(&self, now: Instant) -> Option<Pause> {
        let (pts, _) = self.last?;
        let lasts = ticks(now.saturating_duration_since(self.newest?)) - self.late(now);
        (lasts > 0).then_some(Pause { pts, lasts })
    }

    /// By how many ticks a picture may be late.
    fn late(&self, now: Instant) -> i64 {
        let late = self.late.map_or(0, |(late, then)| {
            let since = now.saturating_duration_since(then).as_secs_f64() / FORGETS.as_secs_f64();
            (late as f64 * (-since).exp2()) as i64
        });
        late.max(LEAST_LATE)
    }
}

fn ticks(duration: Duration) -> i64 {
    (duration.as_secs_f64() * TICKS_PER_SECOND as f64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_core::process::clock;

    const SECOND: u64 = TICKS_PER_SECOND as u64;

    /// The pause after so many seconds without a picture, when pictures with these PTS have arrived at these times.
    fn pause_after(arrivals: &[(u64, f64)], seconds: f64) -> Option<i64> {
        let start = clock::monotonic();
        let at = |seconds| start + Duration::from_secs_f64(seconds);
        let mut all = Arrivals::default();
        for &(pts, seconds) in arrivals {
            all.arrive(Some(pts), at(seconds));
        }
        let (last, then) = arrivals[arrivals.len() - 1];
        let pause = all.pause(at(then + seconds))?;
        assert_eq!(pause.pts, last);
        Some((pause.lasts as f64 / TICKS_PER_SECOND as f64 * 10.0).round() as i64)
    }

    #[test]
    fn pause_lasts_as_long_as_nothing_comes_less_the_time_by_which_pictures_are_late() {
        assert_eq!(pause_after(&[(0, 0.0)], 0.9), None);
        assert_eq!(pause_after(&[(0, 0.0)], 3.0), Some(20));
        // A picture each ten seconds, also when they come at once, is not late.
        assert_eq!(
            pause_after(&[(0, 0.0), (10 * SECOND, 10.0), (20 * SECOND, 10.5)], 3.0),
            Some(20)
        );
        // A sender that sends each two seconds what it has is late by nearly two.
        let bursts: Vec<_> = (0..100).map(|n| (n * SECOND / 25, (n / 50) as f64 * 2.0)).collect();
        assert_eq!((pause_after(&bursts, 1.9), pause_after(&bursts, 3.0)), (None, Some(11)));
        // One that hung once is trusted again.
        let hung = |n: u64| (n * SECOND, n as f64 + if n > 1 { 30.0 } else { 0.0 });
        let hung: Vec<_> = (0..400).map(hung).collect();
        assert_eq!(pause_after(&hung, 3.0), Some(20));
    }

    #[test]
    fn last_picture_is_looked_at_once_in_a_while() {
        let (start, mut arrivals) = (clock::monotonic(), Arrivals::default());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(!arrivals.is_due(at(1000)));
        arrivals.arrive(None, at(1000));
        let due: Vec<_> = [1200, 1300, 1350, 1400].map(|then| arrivals.is_due(at(then))).into();
        assert_eq!(due, [false, true, false, true]);
    }
}
