//! Counters since the start: of the events that came, and of what was written. Counting an event
//! costs a lookup or two, however many came before, and memory is bounded.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use cht_core::{
    event::{AudioStats, Body, Event, Failure, Reason, RecvStats, ScenesStats, Stats},
    process::{clock, lock::lock},
};
use jiff::Timestamp;

use crate::snapshot::Written;

/// Limit of series that others name: codes of errors, and stages. More are counted as [`OTHER`].
const SERIES: usize = 128;

/// Label of series that have no place of their own.
const OTHER: &str = "other";

/// Counters of all threads.
#[derive(Debug, Default)]
pub(crate) struct Counters(Mutex<Counts>);

/// All counters at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Events by type.
    pub events: BTreeMap<&'static str, u64>,
    /// Errors by stage and code.
    pub errors: BTreeMap<(String, String), u64>,
    /// Frames that are new in an index, by reason.
    pub frames: BTreeMap<&'static str, u64>,
    /// The latest wall clock of a frame.
    pub newest_frame: Option<Timestamp>,
    /// Segments that each stage has done, and when it did the last one.
    pub done: BTreeMap<String, (u64, Timestamp)>,
    /// The newest measures of each stage, and when they were true.
    pub recv: Option<(RecvStats, Timestamp)>,
    pub scenes: Option<ScenesStats>,
    pub audio: Option<AudioStats>,
    /// The `index.json` that were written.
    pub snapshots: u64,
    pub snapshot_bytes: u64,
    pub snapshot_time: Duration,
    /// Size of the last one, and when it was written.
    pub snapshot: Option<(u64, Timestamp)>,
}

impl Counters {
    /// Notes an event that came; `None` for one of an unknown type.
    pub(crate) fn came(&self, event: Option<&Event>) {
        let mut counts = self.counts();
        let kind = event.map_or(OTHER, |event| event.body.kind());
        *counts.events.entry(kind).or_default() += 1;
        match event.map(|event| &event.body) {
            Some(Body::Frame(frame)) => counts.newest_frame = frame.at.max(counts.newest_frame),
            Some(Body::Failure(failure)) => counts.failed(failure),
            Some(Body::SegmentDone(done)) => {
                let stage = place(&counts.done, done.stage.clone(), OTHER.to_owned());
                let (count, at) = counts.done.entry(stage).or_default();
                (*count, *at) = (*count + 1, clock::wall());
            }
            Some(Body::Stats(stats)) => counts.measured(stats),
            _ => {}
        }
    }

    /// Notes an event of this stage.
    pub(crate) fn emitted(&self, event: &Event) {
        if let Body::Failure(failure) = &event.body {
            self.counts().failed(failure);
        }
    }

    /// Notes frames that were added to an index, and files that were written.
    pub(crate) fn progressed(&self, (added, written): (Vec<Reason>, Written)) {
        if added.is_empty() && written.files == 0 {
            return;
        }
        let mut counts = self.counts();
        for reason in added {
            *counts.frames.entry(reason.as_str()).or_default() += 1;
        }
        counts.snapshots += written.files;
        counts.snapshot_bytes += written.bytes;
        counts.snapshot_time += written.time;
        if let Some(size) = written.last {
            counts.snapshot = Some((size, clock::wall()));
        }
    }

    /// Returns all counters.
    pub(crate) fn snapshot(&self) -> Counts {
        self.counts().clone()
    }

    /// Returns the number of errors.
    #[cfg(test)]
    pub(crate) fn errors(&self) -> u64 {
        self.counts().errors.values().sum()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        lock(&self.0)
    }
}

impl Counts {
    fn failed(&mut self, failure: &Failure) {
        let key = (failure.stage.clone(), failure.code.clone());
        let key = place(&self.errors, key, (OTHER.to_owned(), OTHER.to_owned()));
        *self.errors.entry(key).or_default() += 1;
    }

    fn measured(&mut self, stats: &Stats) {
        let Stats { at, recv, scenes, audio, .. } = stats;
        self.recv = recv.clone().map(|recv| (recv, *at)).or_else(|| mem::take(&mut self.recv));
        self.scenes = scenes.clone().or_else(|| mem::take(&mut self.scenes));
        self.audio = audio.clone().or_else(|| mem::take(&mut self.audio));
    }
}

/// Returns `key` if it has a place among the series, or can get one; else `other`.
fn place<K: Ord, V>(series: &BTreeMap<K, V>, key: K, other: K) -> K {
    if series.len() < SERIES || series.contains_key(&key) { key } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(stage: &str, code: &str) -> Event {
        let (stage, code) = (stage.to_owned(), code.to_owned());
        Event::new(None, Failure { stage, code, message: String::new(), path: None })
    }

    #[test]
    fn series_of_others_are_bounded_and_none_is_lost() {
        let counters = Counters::default();
        for n in 0..1000 {
            counters.came(Some(&error("mine", &n.to_string())));
        }
        counters.came(Some(&error("mine", "0")));
        counters.emitted(&error("cht-index", "disk"));
        counters.came(None);
        let counts = counters.snapshot();
        assert_eq!(counts.errors.len(), SERIES + 1);
        assert_eq!(counters.errors(), 1002);
        assert_eq!(counts.errors[&("mine".to_owned(), "0".to_owned())], 2);
        assert_eq!(counts.events, BTreeMap::from([("error", 1001), (OTHER, 1)]));
    }

    #[test]
    fn measures_of_a_stage_stay_while_another_reports() {
        let counters = Counters::default();
        let stats = |scenes, audio| {
            let (stage, at, interval, recv) = (String::new(), clock::wall(), 1.0, None);
            counters
                .came(Some(&Event::new(None, Stats { stage, at, interval, recv, scenes, audio })));
        };
        stats(Some(ScenesStats { kept: 7, ..ScenesStats::default() }), None);
        stats(None, Some(AudioStats { pieces: 3, ..AudioStats::default() }));
        let counts = counters.snapshot();
        assert_eq!(counts.scenes.map(|scenes| scenes.kept), Some(7));
        assert_eq!(counts.audio.map(|audio| audio.pieces), Some(3));
    }
}
