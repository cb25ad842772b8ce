//! Counts pieces, and emits the counts as `stats` at intervals.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use cht_core::{
    event::{AudioStats, Event, Stats, rounded},
    process::{lock::lock, report},
    stage::{self, Counted, Output, stats_since},
    terminal::{Folders, units},
};
use cht_ts::time::seconds;

/// Counters of the stage.
#[derive(Debug)]
pub(crate) struct Counters {
    output: Output,
    /// `None` turns `stats` off.
    interval: Option<Duration>,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    session: Option<String>,
    audio: AudioStats,
    /// Counts of the last `stats`, and when they were emitted.
    emitted: AudioStats,
    emitted_at: Instant,
    /// PTS of the newest sound of a live stream, and of the first that is in no piece.
    fed: Option<i64>,
    cut: Option<i64>,
    folders: Folders,
}

impl Counters {
    /// Starts counting at `now`; an `interval` of 0 turns `stats` off.
    pub(crate) fn new(output: Output, interval: f64, now: Instant) -> Arc<Self> {
        let counts = Counts {
            session: None,
            audio: AudioStats::default(),
            emitted: AudioStats::default(),
            emitted_at: now,
            fed: None,
            cut: None,
            folders: Folders::default(),
        };
        Arc::new(Self { output, interval: stage::interval(interval), counts: Mutex::new(counts) })
    }

    /// Sets the session of the `stats` that follow, and the folder of its pieces.
    pub(crate) fn enter(&self, session: Option<&str>, folder: &Path) {
        let mut counts = self.counts();
        counts.session = session.map(str::to_owned);
        counts.folders.enter(folder);
    }

    /// Prints the result of the run, if anything came.
    pub(crate) fn summarise(&self) {
        let counts = self.counts();
        if !counts.folders.is_empty() {
            let sentence = summary(&counts.audio, &counts.folders.to_string(), report::warnings());
            report::summary(sentence);
        }
    }

    /// Notes that a run begins or ends; nothing of it is fed or cut.
    pub(crate) fn begin(&self) {
        let mut counts = self.counts();
        (counts.fed, counts.cut) = (None, None);
    }

    /// Notes that sound of a live stream at a PTS went to the decoder.
    pub(crate) fn fed(&self, pts: i64) {
        let mut counts = self.counts();
        counts.cut.get_or_insert(pts);
        counts.fed = Some(pts);
    }

    /// Counts a piece of a duration in seconds, after which the sound goes on at a PTS.
    pub(crate) fn piece(&self, duration: f64, is_silent: bool, next: Option<i64>) {
        let mut counts = self.counts();
        counts.audio.pieces += 1;
        counts.audio.silent += u64::from(is_silent);
        counts.audio.cut = rounded(counts.audio.cut + duration);
        counts.cut = next;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.counts)
    }
}

impl Counts {
    fn lag(&self) -> Option<f64> {
        let (fed, cut) = self.fed.zip(self.cut)?;
        Some(rounded(seconds((fed - cut).max(0))))
    }
}

/// Returns the sentence about the pieces in a place, after a number of warnings.
fn summary(audio: &AudioStats, place: &str, warnings: u64) -> String {
    let (length, pieces) = (units::span(audio.cut), units::count(audio.pieces, "piece"));
    let silent = match audio.silent {
        0 => String::new(),
        silent => format!(" ({silent} without speech)"),
    };
    let warnings = match warnings {
        0 => String::new(),
        warnings => format!("; {}", units::count(warnings, "warning")),
    };
    if audio.pieces == 0 {
        return format!("no new sound; the pieces are in {place}{warnings}");
    }
    format!("cut {length} of sound into {pieces}{silent}, in {place}{warnings}")
}

impl Counted for Counters {
    fn interval(&self) -> Option<Duration> {
        self.interval
    }

    fn has_changed(&self) -> bool {
        let counts = self.counts();
        AudioStats { lag: counts.lag(), ..counts.audio.clone() } != counts.emitted
    }

    fn say(&self) {
        let event = {
            let mut counts = self.counts();
            counts.audio.lag = counts.lag();
            counts.emitted = counts.audio.clone();
            let audio = Some(counts.audio.clone());
            let stats = Stats { audio, ..stats_since(&mut counts.emitted_at) };
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
    fn lag_is_the_sound_in_no_piece_of_a_live_stream() {
        let counters =
            Counters::new(Output::open().unwrap(), 0.0, cht_core::process::clock::monotonic());
        let lag = || counters.counts().lag();
        assert_eq!(lag(), None);
        for pts in [90_000, 180_000, 450_000] {
            counters.fed(pts);
        }
        assert_eq!(lag(), Some(4.0));
        counters.piece(3.0, true, Some(360_000));
        assert_eq!(lag(), Some(1.0));
        let audio = counters.counts().audio.clone();
        assert_eq!((audio.pieces, audio.silent, audio.cut), (1, 1, 3.0));
        let sentence = summary(&audio, "out", 1);
        let expected = "cut 3.0 s of sound into 1 piece (1 without speech), in out; 1 warning";
        assert_eq!(sentence, expected);
        counters.begin();
        assert_eq!(lag(), None);
    }
}
