//! Chooses what to decode when decoding cannot keep up with a live stream (`--on-lag`).

use std::time::{Duration, Instant};

use cht_core::{event::Decoded, process::report, terminal::units};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Frames to decode of a live stream that comes faster than it can be decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnLag {
    /// Every frame, however late
    #[default]
    Keep,
    /// Keyframes only, until decoding has caught up
    Keyframes,
}

impl OnLag {
    /// Returns its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Keyframes => "keyframes",
        }
    }
}

/// Share of the lag limit at which decoding has caught up.
const CAUGHT_UP: f64 = 0.25;

/// Time between two readings of the lag while every frame is decoded.
const CHECK_EVERY: Duration = Duration::from_millis(100);

/// Shortest time between two messages about changes; those in between are counted.
const NOTE_EVERY: Duration = Duration::from_secs(10);

/// Switches between all frames and keyframes.
#[derive(Debug)]
pub(crate) struct CatchUp {
    on_lag: OnLag,
    /// Lag above which only keyframes are decoded, in seconds.
    limit: f64,
    /// While only keyframes are decoded: the start, and the number of frames skipped since.
    keyframes_since: Option<(Instant, u64)>,
    /// A switch is due at the next keyframe.
    wants_change: bool,
    checked_at: Option<Instant>,
    /// Messages about either switch.
    falls_behind: report::Limited,
    catches_up: report::Limited,
}

impl CatchUp {
    /// Starts with every frame; `limit` is in seconds.
    pub(crate) fn new(on_lag: OnLag, limit: f64) -> Self {
        let [falls_behind, catches_up] =
            [report::Limited::new(NOTE_EVERY), report::Limited::new(NOTE_EVERY)];
        Self {
            on_lag,
            limit,
            keyframes_since: None,
            wants_change: false,
            checked_at: None,
            falls_behind,
            catches_up,
        }
    }

    /// Returns the present way of decoding.
    pub(crate) fn decoding(&self) -> Decoded {
        if self.keyframes_since.is_some() { Decoded::Keyframes } else { Decoded::Full }
    }

    /// Returns whether a switch is due. Calls `lag` (in seconds) at intervals.
    pub(crate) fn wants_change(&mut self, now: Instant, lag: impl FnOnce() -> Option<f64>) -> bool {
        if self.on_lag == OnLag::Keep {
            return false;
        }
        let is_due = self
            .checked_at
            .is_none_or(|before| now.saturating_duration_since(before) >= CHECK_EVERY);
        if is_due || self.keyframes_since.is_some() {
            self.checked_at = Some(now);
            // A stream that is no longer live has no lag.
            let lag = lag().unwrap_or(0.0);
            self.wants_change = match self.keyframes_since {
                None => lag > self.limit,
                // A stream that comes in bursts lags after each burst.
                Some(_) => lag <= self.limit * CAUGHT_UP || self.wants_change && lag <= self.limit,
            };
        }
        self.wants_change
    }

    /// Switches, and prints a note.
    pub(crate) fn change(&mut self, now: Instant, lag: Option<f64>) {
        self.wants_change = false;
        if let Some((since, skipped)) = self.keyframes_since.take() {
            let took = now.saturating_duration_since(since).as_secs_f64();
            self.catches_up.note(
                now,
                format_args!(
                    "decoding has caught up after {took:.1} s, in which it skipped {}; every frame from here on",
                    units::count(skipped, "frame")
                ),
            );
        } else {
            self.keyframes_since = Some((now, 0));
            let lag = lag.unwrap_or(0.0);
            self.falls_behind.note(
                now,
                format_args!("decoding is {lag:.1} s behind the stream; keyframes only until it has caught up"),
            );
        }
    }

    /// Counts skipped frames.
    pub(crate) fn skip(&mut self, frames: u64) {
        if let Some((_, skipped)) = &mut self.keyframes_since {
            *skipped += frames;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_core::process::clock;

    #[test]
    fn catch_up_begins_above_limit_and_ends_well_below() {
        let start = clock::monotonic();
        let mut catch_up = CatchUp::new(OnLag::Keyframes, 2.0);
        let mut at = 0;
        let mut wants = |catch_up: &mut CatchUp, lag| {
            at += 1;
            catch_up.wants_change(start + CHECK_EVERY * at, || lag)
        };
        assert!(!wants(&mut catch_up, None));
        assert!(!wants(&mut catch_up, Some(1.9)));
        assert!(wants(&mut catch_up, Some(2.1)));
        catch_up.change(start, Some(2.1));
        assert_eq!(catch_up.decoding(), Decoded::Keyframes);
        assert!(!wants(&mut catch_up, Some(0.6)));
        assert!(wants(&mut catch_up, Some(0.4)));
        assert!(wants(&mut catch_up, Some(1.5)));
        assert!(!wants(&mut catch_up, Some(2.1)));
        assert!(!wants(&mut catch_up, Some(1.5)));
        catch_up.change(start, Some(0.4));
        assert_eq!(catch_up.decoding(), Decoded::Full);
    }

    #[test]
    fn keep_skips_no_frames() {
        let mut catch_up = CatchUp::new(OnLag::Keep, 2.0);
        assert!(!catch_up.wants_change(clock::monotonic(), || Some(100.0)));
    }
}
