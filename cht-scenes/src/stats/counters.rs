//! `stats` of this stage: what its threads count, and the thread that says it once in a while.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use cht_core::{
    event::{Content, Decoded, Event, ScenesStats, Stats},
    process::{clock, report},
};
use cht_detect::{self, SceneDetector};
use cht_ts::time::seconds;

use crate::{lag::tracker::LagTracker, output::Output};

/// What holds back a frame that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suppressions {
    /// A cut within `--min-gap` of another: one frame at the end of the gap stands for all of them.
    MinGap,
    /// More than `--max-frames`: a later frame stands for them.
    MaxFrames,
    /// A newer frame had been kept when it was found.
    TooLate,
    /// A change on a screen came to rest and is too small to count, as a cursor.
    TooSmall,
    /// The stream ended before there was a picture for it.
    NoPicture,
    /// It has no PTS, so no place on the timeline.
    NoPts,
}

impl Suppressions {
    /// As in `stats`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MinGap => "min_gap",
            Self::MaxFrames => "max_frames",
            Self::TooLate => "too_late",
            Self::TooSmall => "too_small",
            Self::NoPicture => "no_picture",
            Self::NoPts => "no_pts",
        }
    }
}

/// What is counted, by whichever thread.
#[derive(Debug)]
pub(crate) struct Counters {
    output: Output,
    /// Between two `stats`; none are wanted without it.
    interval: Option<Duration>,
    counts: Mutex<Counts>,
    pub lag: LagTracker,
}

#[derive(Debug)]
struct Counts {
    session: Option<String>,
    scenes: ScenesStats,
    /// What was said last, and when.
    said: ScenesStats,
    said_at: Instant,
    changes: report::Limited,
}

impl Counters {
    /// Nothing yet, `now`.
    pub(crate) fn new(output: Output, interval: f64, now: Instant) -> Arc<Self> {
        let scenes = ScenesStats::default();
        let counts = Counts {
            session: None,
            said: scenes.clone(),
            scenes,
            said_at: now,
            changes: report::Limited::new(Duration::from_secs(10)),
        };
        let interval = Some(Duration::from_secs_f64(interval)).filter(|limit| !limit.is_zero());
        Arc::new(Self { output, interval, counts: Mutex::new(counts), lag: LagTracker::default() })
    }

    /// What follows is about `session`.
    pub(crate) fn enter(&self, session: Option<&str>) {
        self.counts().session = session.map(str::to_owned);
    }

    /// The frame at `at` (ticks of the session's timeline) was decoded and looked at.
    pub(crate) fn decoded(&self, at: i64) {
        self.counts().scenes.decoded += 1;
        self.lag.looked(at);
    }

    /// The same, where detectors measure.
    pub(crate) fn measured<P>(&self, at: i64, decider: &mut SceneDetector<P>) {
        self.decoded(at);
        self.found(decider);
        self.content(decider.content(), at);
    }

    /// The decoder has ended, and what was left was chosen.
    pub(crate) fn ended<P>(&self, decider: &mut SceneDetector<P>) {
        self.found(decider);
        let (choices, _) = decider.waiting();
        self.suppress(Suppressions::NoPicture, choices as u64);
        self.waiting(0, 0);
    }

    fn found<P>(&self, decider: &mut SceneDetector<P>) {
        let suppressed = decider.take_suppressed();
        self.suppress(Suppressions::MaxFrames, suppressed.max_frames);
        self.suppress(Suppressions::MinGap, suppressed.min_gap);
        self.suppress(Suppressions::TooLate, suppressed.too_late);
        self.suppress(Suppressions::TooSmall, suppressed.too_small);
        let (choices, pictures) = decider.waiting();
        self.waiting(choices, pictures);
    }

    /// What is decoded from now on.
    pub(crate) fn decoding(&self, decoding: Decoded) {
        let before = std::mem::replace(&mut self.counts().scenes.decoding, decoding);
        if before != decoding {
            self.say();
        }
    }

    /// Frames were left out, to catch up.
    pub(crate) fn skipped(&self, frames: u64) {
        self.counts().scenes.skipped += frames;
    }

    /// A frame was kept.
    pub(crate) fn kept(&self) {
        self.counts().scenes.kept += 1;
    }

    /// Frames were asked for and are not kept.
    pub(crate) fn suppress(&self, held: Suppressions, frames: u64) {
        if frames > 0 {
            let mut counts = self.counts();
            *counts.scenes.suppressed.entry(held.name().to_owned()).or_default() += frames;
        }
    }

    /// So many choices and pictures wait for each other.
    fn waiting(&self, choices: usize, pictures: usize) {
        let scenes = &mut self.counts().scenes;
        (scenes.choices_waiting, scenes.pictures_waiting) = (choices as u64, pictures as u64);
    }

    /// What `auto` takes the stream for, at `at` (ticks). Says so when it has changed its mind.
    fn content(&self, content: Option<cht_detect::Content>, at: i64) {
        let content = content.map(|content| match content {
            cht_detect::Content::Film => Content::Film,
            cht_detect::Content::Screen => Content::Screen,
        });
        let mut counts = self.counts();
        let before = counts.scenes.content;
        if content.is_none() || content == before {
            return;
        }
        (counts.scenes.content, counts.scenes.content_since) = (content, Some(seconds(at)));
        if before.is_some() {
            let (shows, asked) = match content {
                Some(Content::Screen) => ("a screen", "screen"),
                _ => ("film", "adaptive"),
            };
            counts.changes.note(
                clock::monotonic(),
                format_args!(
                    "at {:.1} s the stream shows {shows}: --detect auto asks {asked} from here on",
                    seconds(at)
                ),
            );
        }
        drop(counts);
        self.say();
    }

    /// Says how things are.
    pub(crate) fn say(&self) {
        if self.interval.is_none() {
            return;
        }
        let lag = self.lag.now().map(rounded);
        let now = clock::monotonic();
        let event = {
            let mut counts = self.counts();
            counts.scenes.lag = lag;
            counts.said = counts.scenes.clone();
            let before = std::mem::replace(&mut counts.said_at, now);
            let stats = Stats {
                stage: report::stage().to_owned(),
                at: clock::wall(),
                interval: rounded(now.saturating_duration_since(before).as_secs_f64()),
                recv: None,
                scenes: Some(counts.scenes.clone()),
            };
            Event::new(counts.session.clone(), stats)
        };
        // An error of stdout ends the thread that passes events on, which says so.
        let _ = self.output.emit(&event);
    }

    /// Says how things are, if something was done since.
    fn beat(&self) {
        let lag = self.lag.now().map(rounded);
        let is_at_work = {
            let counts = self.counts();
            ScenesStats { lag, ..counts.scenes.clone() } != counts.said
        };
        if is_at_work {
            self.say();
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that speaks at intervals.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Heartbeat {
    /// Starts it; `None` if nobody wants to hear.
    pub(crate) fn start(tally: &Arc<Counters>) -> Option<Self> {
        let interval = tally.interval?;
        let tally = Arc::clone(tally);
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while clock::receive_within(&stopped, interval) == Err(RecvTimeoutError::Timeout) {
                tally.beat();
            }
            tally.say();
        });
        Some(Self { stop, thread })
    }

    /// Says the last word.
    pub(crate) fn finish(self) {
        drop(self.stop);
        let _ = self.thread.join();
    }
}

/// To the six decimals of all seconds in events.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_suppressed_is_counted_by_reason() {
        let tally = Counters::new(Output::open().unwrap(), 0.0, clock::monotonic());
        tally.suppress(Suppressions::MinGap, 2);
        tally.suppress(Suppressions::MinGap, 1);
        tally.suppress(Suppressions::NoPts, 0);
        let suppressed = tally.counts().scenes.suppressed.clone();
        assert_eq!(suppressed.into_iter().collect::<Vec<_>>(), [("min_gap".to_owned(), 3)]);
    }
}
