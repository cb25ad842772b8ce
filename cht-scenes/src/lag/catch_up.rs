//! `--on-lag`: what is decoded when decoding cannot keep up with a live stream.

use std::time::{Duration, Instant};

use cht_core::{event::Decoded, process::report};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What is done when a live stream comes faster than it can be decoded.
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
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Keyframes => "keyframes",
        }
    }
}

/// It has caught up when it is behind by no more than this part of the limit.
const CAUGHT_UP: f64 = 0.25;

/// How often the lag is looked at while every frame is decoded.
const EVERY: Duration = Duration::from_millis(100);

/// How soon a change is said again; those in between are counted.
const SAY_AGAIN: Duration = Duration::from_secs(10);

/// Decides what is decoded.
#[derive(Debug)]
pub(crate) struct CatchUp {
    on_lag: OnLag,
    /// Seconds behind from which on it is too much.
    limit: f64,
    /// Only keyframes are decoded, so as to catch up: since when, and what was left out since.
    thin: Option<(Instant, u64)>,
    /// The other way of decoding is wanted from the next keyframe on.
    wanted: bool,
    looked_at: Option<Instant>,
    /// What was said of either change.
    falls_behind: report::Limited,
    catches_up: report::Limited,
}

impl CatchUp {
    pub(crate) fn new(on_lag: OnLag, limit: f64) -> Self {
        let [falls_behind, catches_up] =
            [report::Limited::new(SAY_AGAIN), report::Limited::new(SAY_AGAIN)];
        Self { on_lag, limit, thin: None, wanted: false, looked_at: None, falls_behind, catches_up }
    }

    /// What is decoded at present.
    pub(crate) fn decoding(&self) -> Decoded {
        if self.thin.is_some() { Decoded::Keyframes } else { Decoded::Full }
    }

    /// Whether the other way of decoding is wanted. Asks for the `lag` once in a while.
    pub(crate) fn wants_change(&mut self, now: Instant, lag: impl FnOnce() -> Option<f64>) -> bool {
        if self.on_lag == OnLag::Keep {
            return false;
        }
        let is_due =
            self.looked_at.is_none_or(|before| now.saturating_duration_since(before) >= EVERY);
        if is_due || self.thin.is_some() {
            self.looked_at = Some(now);
            // What is not live any more has nothing to catch up with.
            let lag = lag().unwrap_or(0.0);
            self.wanted = match self.thin {
                None => lag > self.limit,
                // A stream that comes in bursts is behind whenever one has come.
                Some(_) => lag <= self.limit * CAUGHT_UP || self.wanted && lag <= self.limit,
            };
        }
        self.wanted
    }

    /// Decoding goes the other way from here on; says so.
    pub(crate) fn change(&mut self, now: Instant, lag: Option<f64>) {
        self.wanted = false;
        if let Some((since, skipped)) = self.thin.take() {
            let took = now.saturating_duration_since(since).as_secs_f64();
            self.catches_up.note(
                now,
                format_args!(
                    "decoding has caught up after {took:.1} s, in which {skipped} frames were skipped; every frame from here on"
                ),
            );
        } else {
            self.thin = Some((now, 0));
            let lag = lag.unwrap_or(0.0);
            self.falls_behind.note(
                now,
                format_args!("decoding is {lag:.1} s behind the stream; keyframes only until it has caught up"),
            );
        }
    }

    /// So many frames were left out.
    pub(crate) fn skip(&mut self, frames: u64) {
        if let Some((_, skipped)) = &mut self.thin {
            *skipped += frames;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_core::process::clock;

    #[test]
    fn it_begins_above_the_limit_and_ends_well_below() {
        let start = clock::monotonic();
        let mut catch_up = CatchUp::new(OnLag::Keyframes, 2.0);
        let mut at = 0;
        let mut wants = |catch_up: &mut CatchUp, lag| {
            at += 1;
            catch_up.wants_change(start + EVERY * at, || lag)
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
    fn nothing_is_left_out_unless_that_is_asked_for() {
        let mut catch_up = CatchUp::new(OnLag::Keep, 2.0);
        assert!(!catch_up.wants_change(clock::monotonic(), || Some(100.0)));
    }
}
