//! Finds the pauses of a live video: the moment when its last picture counts as whole, and the
//! stream time that has passed since.
//!
//! Both are estimated from the clock of arrivals, and never certain: the next picture may be on its
//! way. So the estimate lets the stream's clock run late, by the lateness of earlier pictures.

use std::time::{Duration, Instant};

use cht_ts::{Pts, time::TICKS_PER_SECOND};

/// Time without new data of the video after which its last picture is ended.
const PAUSE: Duration = Duration::from_millis(300);

/// Least lateness that a picture is allowed, in ticks.
const LEAST_LATE: i64 = TICKS_PER_SECOND;

/// Half-life of the lateness of a picture.
const FORGETS: Duration = Duration::from_secs(60);

/// Least time between two checks of a pause.
const STEP: Duration = Duration::from_millis(100);

/// Describes a pause after a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    /// PTS of the picture.
    pub pts: Pts,
    /// Least time that the picture is displayed, in ticks.
    pub lasts: i64,
}

/// Records the arrival times of pictures.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// PTS and arrival time of the last picture.
    last: Option<(Pts, Instant)>,
    /// Time of the last arrival of any data of the video.
    newest: Option<Instant>,
    /// Lateness of a picture, in ticks, and the time when it was measured.
    late: Option<(i64, Instant)>,
    looked: Option<Instant>,
}

impl Arrivals {
    /// Notes that data of the video arrived at `now`, when the last picture was the one with the
    /// PTS `newest`.
    pub(crate) fn arrive(&mut self, newest: Option<Pts>, now: Instant) {
        self.newest = Some(now);
        let Some(pts) = newest else { return };
        if let Some((before, then)) = self.last.filter(|(before, _)| *before != pts) {
            let passed = pts.since(before);
            let late = ticks(now.saturating_duration_since(then)) - passed;
            if late > self.late(now) {
                self.late = Some((late, now));
            }
        }
        if self.last.is_none_or(|(before, _)| before != pts) {
            self.last = Some((pts, now));
        }
    }

    /// Returns whether the quiet has lasted long enough to end the last picture, or to check the
    /// pause again.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let since = |then: Option<Instant>| then.map(|then| now.saturating_duration_since(then));
        let is_due = since(self.newest).is_some_and(|quiet| quiet >= PAUSE)
            && since(self.looked).is_none_or(|looked| looked >= STEP);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// Returns the pause after the last picture, if it is longer than the lateness of pictures.
    pub(crate) fn pause(&self, now: Instant) -> Option<Pause> {
        let (pts, _) = self.last?;
        let lasts = ticks(now.saturating_duration_since(self.newest?)) - self.late(now);
        (lasts > 0).then_some(Pause { pts, lasts })
    }

    /// Returns the lateness that a picture is allowed, in ticks.
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

    const SECOND: i64 = TICKS_PER_SECOND;

    /// Returns the pause after `seconds` without a picture, when pictures with these PTS have
    /// arrived at these times.
    fn pause_after(arrivals: &[(i64, f64)], seconds: f64) -> Option<i64> {
        let start = clock::monotonic();
        let at = |seconds| start + Duration::from_secs_f64(seconds);
        let mut all = Arrivals::default();
        for &(pts, seconds) in arrivals {
            all.arrive(Some(Pts::new(pts)), at(seconds));
        }
        let (last, then) = arrivals[arrivals.len() - 1];
        let pause = all.pause(at(then + seconds))?;
        assert_eq!(pause.pts, Pts::new(last));
        Some((pause.lasts as f64 / TICKS_PER_SECOND as f64 * 10.0).round() as i64)
    }

    #[test]
    fn pause_without_pictures_lasts_for_the_quiet_less_their_lateness() {
        assert_eq!(pause_after(&[(0, 0.0)], 0.9), None);
        assert_eq!(pause_after(&[(0, 0.0)], 3.0), Some(20));
        // A picture every ten seconds is not late, even if several come at once.
        assert_eq!(
            pause_after(&[(0, 0.0), (10 * SECOND, 10.0), (20 * SECOND, 10.5)], 3.0),
            Some(20)
        );
        // A sender that sends every two seconds is late by nearly two.
        let bursts: Vec<_> = (0..100).map(|n| (n * SECOND / 25, (n / 50) as f64 * 2.0)).collect();
        assert_eq!((pause_after(&bursts, 1.9), pause_after(&bursts, 3.0)), (None, Some(11)));
        // A sender that hung once is trusted again.
        let hung = |n: i64| (n * SECOND, n as f64 + if n > 1 { 30.0 } else { 0.0 });
        let hung: Vec<_> = (0..400).map(hung).collect();
        assert_eq!(pause_after(&hung, 3.0), Some(20));
    }

    #[test]
    fn pause_check_repeats_after_a_step() {
        let (start, mut arrivals) = (clock::monotonic(), Arrivals::default());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(!arrivals.is_due(at(1000)));
        arrivals.arrive(None, at(1000));
        let due: Vec<_> = [1200, 1300, 1350, 1400].map(|then| arrivals.is_due(at(then))).into();
        assert_eq!(due, [false, true, false, true]);
    }
}
