//! Counts decoded, kept and suppressed frames, and emits them as `stats` at intervals.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use cht_core::{
    event::{Content, Decoded, Event, ScenesStats, Stats, rounded},
    process::{clock, lock::lock, report},
    stage::{self, Counted, Output, stats_since},
    terminal::Folders,
};
use cht_detect::{self, SceneDetector};
use cht_ts::time::seconds;

use super::summary;
use crate::lag::tracker::LagTracker;

/// Reason why a selected frame is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suppressions {
    /// A cut within `--min-gap` of another: one frame at the end of the gap represents them all.
    MinGap,
    /// More than `--max-frames`: a later frame represents them.
    MaxFrames,
    /// A newer frame had been kept before it was found.
    TooLate,
    /// A change on a screen settled, but is too small to count, such as a cursor.
    TooSmall,
    /// The stream ended before its picture came.
    NoPicture,
    /// It has no PTS, so no time on the timeline.
    NoPts,
}

impl Suppressions {
    /// Returns its name in `stats`.
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

/// Counters that all threads share.
#[derive(Debug)]
pub(crate) struct Counters {
    output: Output,
    /// Time between two `stats`; `None` turns them off.
    interval: Option<Duration>,
    counts: Mutex<Counts>,
    pub lag: LagTracker,
}

#[derive(Debug)]
struct Counts {
    session: Option<String>,
    scenes: ScenesStats,
    /// Counts of the last `stats`, and when they were emitted.
    emitted: ScenesStats,
    emitted_at: Instant,
    changes: report::Limited,
    folders: Folders,
    /// Frames decoded by an earlier run in segments that come again.
    again: u64,
}

impl Counters {
    /// Starts counting at `now`; an `interval` of 0 turns `stats` off.
    pub(crate) fn new(output: Output, interval: f64, now: Instant) -> Arc<Self> {
        let scenes = ScenesStats::default();
        let counts = Counts {
            session: None,
            emitted: scenes.clone(),
            scenes,
            emitted_at: now,
            changes: report::Limited::new(Duration::from_secs(10)),
            folders: Folders::default(),
            again: 0,
        };
        let interval = stage::interval(interval);
        Arc::new(Self { output, interval, counts: Mutex::new(counts), lag: LagTracker::default() })
    }

    /// Sets the session of the `stats` that follow, and the folder of its frames.
    pub(crate) fn enter(&self, session: Option<&str>, folder: &Path) {
        let mut counts = self.counts();
        counts.session = session.map(str::to_owned);
        counts.folders.enter(folder);
    }

    /// Prints the result of the run, if anything came.
    pub(crate) fn summarise(&self) {
        let counts = self.counts();
        if !counts.folders.is_empty() {
            let place = counts.folders.to_string();
            let (scenes, again) = (&counts.scenes, counts.again);
            report::summary(summary::of(scenes, again, &place, report::warnings()));
        }
    }

    /// Counts the frames that an earlier run has decoded in a segment.
    pub(crate) fn again(&self, decoded: u64) {
        self.counts().again += decoded;
    }

    /// Counts the frame at `at` (ticks of the session's timeline), decoded and examined.
    pub(crate) fn decoded(&self, at: i64) {
        self.counts().scenes.decoded += 1;
        self.lag.looked(at);
    }

    /// Counts such a frame, with what the detectors found in it.
    pub(crate) fn measured<P>(&self, at: i64, decider: &mut SceneDetector<P>) {
        self.decoded(at);
        self.found(decider);
        self.content(decider.content(), at);
    }

    /// Counts the rest when the decoder has ended and all frames are selected.
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

    /// Sets the way of decoding from now on, and emits `stats` if that is a change.
    pub(crate) fn decoding(&self, decoding: Decoded) {
        let before = std::mem::replace(&mut self.counts().scenes.decoding, decoding);
        if before != decoding {
            self.say();
        }
    }

    /// Counts frames that were skipped to catch up.
    pub(crate) fn skipped(&self, frames: u64) {
        self.counts().scenes.skipped += frames;
    }

    /// Counts a kept frame.
    pub(crate) fn kept(&self) {
        self.counts().scenes.kept += 1;
    }

    /// Counts selected frames that are not kept.
    pub(crate) fn suppress(&self, reason: Suppressions, frames: u64) {
        if frames > 0 {
            let mut counts = self.counts();
            *counts.scenes.suppressed.entry(reason.name().to_owned()).or_default() += frames;
        }
    }

    /// Sets the numbers of selections and pictures that wait for each other.
    fn waiting(&self, choices: usize, pictures: usize) {
        let scenes = &mut self.counts().scenes;
        (scenes.choices_waiting, scenes.pictures_waiting) = (choices as u64, pictures as u64);
    }

    /// Sets the content that `auto` detects at `at` (ticks); emits `stats` and prints a note if it
    /// has changed.
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
            counts.changes.detail(
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

    fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }
}

impl Counted for Counters {
    fn interval(&self) -> Option<Duration> {
        self.interval
    }

    fn has_changed(&self) -> bool {
        let lag = self.lag.now().map(rounded);
        let counts = self.counts();
        ScenesStats { lag, ..counts.scenes.clone() } != counts.emitted
    }

    fn say(&self) {
        if self.interval.is_none() {
            return;
        }
        let lag = self.lag.now().map(rounded);
        let event = {
            let mut counts = self.counts();
            counts.scenes.lag = lag;
            counts.emitted = counts.scenes.clone();
            let scenes = Some(counts.scenes.clone());
            let stats = Stats { scenes, ..stats_since(&mut counts.emitted_at) };
            Event::new(counts.session.clone(), stats)
        };
        // An error of stdout ends the thread that passes events on, which reports it.
        let _ = self.output.emit(&event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppressed_frames_are_counted_by_reason() {
        let counters = Counters::new(Output::open().unwrap(), 0.0, clock::monotonic());
        counters.suppress(Suppressions::MinGap, 2);
        counters.suppress(Suppressions::MinGap, 1);
        counters.suppress(Suppressions::NoPts, 0);
        let suppressed = counters.counts().scenes.suppressed.clone();
        assert_eq!(suppressed.into_iter().collect::<Vec<_>>(), [("min_gap".to_owned(), 3)]);
    }
}
