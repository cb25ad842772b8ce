//! Counters since the start, for `stats` events and for Prometheus.
//!
//! Counting costs a few additions per read of the socket; a snapshot costs the rest.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, Release},
        },
    },
    time::{Duration, Instant},
};

use cht_core::{
    event::{Body, PidStats, RecvStats, rounded},
    process::lock::lock,
};

use crate::{disk, received::Seen};

/// PIDs counted by name. A stream that is mostly noise could name all 8192.
const PIDS: usize = 64;

/// Counters of all threads.
#[derive(Debug)]
pub(crate) struct Counters {
    started: Instant,
    /// Folder of the sessions, which need not exist yet.
    folder: PathBuf,
    connected: AtomicBool,
    connections: AtomicU64,
    bytes: AtomicU64,
    packets: AtomicU64,
    /// Nanoseconds from `started` to the last byte; 0 before the first.
    last_byte: AtomicU64,
    segments: AtomicU64,
    errors: AtomicU64,
    left_out: AtomicU64,
    gaps: Mutex<Gaps>,
}

/// Gaps in continuity counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Gaps {
    /// Gaps of the first `PIDS` that were listed or had one.
    pub by_pid: BTreeMap<u16, u64>,
    /// Gaps of all other PIDs.
    pub others: u64,
}

/// What has come of the stream.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Received {
    pub bytes: u64,
    /// Transport packets.
    pub packets: u64,
    pub gaps: u64,
}

impl Received {
    /// Returns what has come since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(before.bytes),
            packets: self.packets.saturating_sub(before.packets),
            gaps: self.gaps.saturating_sub(before.gaps),
        }
    }
}

/// All counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub connected: bool,
    pub connections: u64,
    pub bytes: u64,
    pub packets: u64,
    pub gaps: Gaps,
    /// Time since the last byte, if there was one.
    pub idle: Option<Duration>,
    pub segments: u64,
    pub errors: u64,
    pub left_out: u64,
    /// Free space in bytes, if the system reports it.
    pub free_disk: Option<u64>,
}

impl Counters {
    /// Starts counting. `folder` is on the disk whose free space counts.
    pub(crate) fn new(folder: PathBuf, now: Instant) -> Self {
        Self {
            started: now,
            folder,
            connected: AtomicBool::new(false),
            connections: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            packets: AtomicU64::new(0),
            last_byte: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            gaps: Mutex::default(),
        }
    }

    /// Notes a new sender.
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.connected.store(true, Relaxed);
    }

    /// Notes that it has gone.
    pub(crate) fn disconnected(&self) {
        self.connected.store(false, Relaxed);
    }

    /// Notes bytes that arrived at `now`, with `seen` in them.
    pub(crate) fn received(&self, bytes: usize, seen: &Seen, now: Instant) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
        self.packets.fetch_add(seen.packets, Relaxed);
        let nanos = now.saturating_duration_since(self.started).as_nanos() as u64;
        self.last_byte.store(nanos.max(1), Release);
        if !seen.listed.is_empty() || !seen.gaps.is_empty() {
            let mut gaps = lock(&self.gaps);
            seen.listed.iter().for_each(|pid| gaps.add(*pid, 0));
            seen.gaps.iter().for_each(|pid| gaps.add(*pid, 1));
        }
    }

    /// Notes an event about to be emitted.
    pub(crate) fn emitted(&self, body: &Body) {
        match body {
            Body::SegmentClosed(_) => self.segments.fetch_add(1, Relaxed),
            Body::Failure(_) => self.errors.fetch_add(1, Relaxed),
            _ => 0,
        };
    }

    /// Notes an event that was left out.
    pub(crate) fn left_out(&self) {
        self.left_out.fetch_add(1, Relaxed);
    }

    /// Returns what has come of the stream.
    pub(crate) fn so_far(&self) -> Received {
        let gaps = lock(&self.gaps).total();
        let (bytes, packets) = (self.bytes.load(Relaxed), self.packets.load(Relaxed));
        Received { bytes, packets, gaps }
    }

    /// Returns all counters at `now`.
    pub(crate) fn snapshot(&self, now: Instant) -> Snapshot {
        let last = Some(self.last_byte.load(Relaxed)).filter(|nanos| *nanos > 0);
        let last = last.map(|nanos| self.started + Duration::from_nanos(nanos));
        Snapshot {
            connected: self.connected.load(Relaxed),
            connections: self.connections.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            packets: self.packets.load(Relaxed),
            gaps: lock(&self.gaps).clone(),
            idle: last.map(|last| now.saturating_duration_since(last)),
            segments: self.segments.load(Relaxed),
            errors: self.errors.load(Relaxed),
            left_out: self.left_out.load(Relaxed),
            free_disk: disk::free(&self.folder).ok(),
        }
    }
}

impl Snapshot {
    /// Returns the counters as an event has them, without a rate.
    pub(crate) fn stats(&self) -> RecvStats {
        let pids = self.gaps.by_pid.iter();
        RecvStats {
            connected: self.connected,
            connections: self.connections,
            bitrate: 0,
            bytes: self.bytes,
            packets: self.packets,
            continuity_errors: self.gaps.total(),
            pids: pids
                .map(|(&pid, &continuity_errors)| PidStats { pid, continuity_errors })
                .collect(),
            idle: self.idle.map(|idle| rounded(idle.as_secs_f64())),
            segments: self.segments,
            free_disk: self.free_disk,
            left_out: self.left_out,
        }
    }
}

impl Gaps {
    fn add(&mut self, pid: u16, gaps: u64) {
        if self.by_pid.len() < PIDS || self.by_pid.contains_key(&pid) {
            *self.by_pid.entry(pid).or_default() += gaps;
        } else {
            self.others += gaps;
        }
    }

    /// Returns the gaps of all PIDs.
    pub(crate) fn total(&self) -> u64 {
        self.by_pid.values().sum::<u64>() + self.others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_counted_by_pid_up_to_limit() {
        let start = cht_core::process::clock::monotonic();
        let counters = Counters::new(".".into(), start);
        assert_eq!(counters.snapshot(start).idle, None);
        let seen =
            Seen { packets: 7, listed: vec![256, 257], gaps: vec![256, 300, 256], strays: 0 };
        counters.received(1316, &seen, start + Duration::from_secs(1));
        let snapshot = counters.snapshot(start + Duration::from_secs(3));
        assert_eq!(snapshot.gaps.by_pid, BTreeMap::from([(256, 2), (257, 0), (300, 1)]));
        assert_eq!(snapshot.gaps.total(), 3);
        assert_eq!((snapshot.bytes, snapshot.packets), (1316, 7));
        assert_eq!(snapshot.idle, Some(Duration::from_secs(2)));
        assert!(snapshot.free_disk.is_some());

        let noise = Seen { gaps: (0..8192).collect(), ..Seen::default() };
        counters.received(1, &noise, start);
        let gaps = counters.snapshot(start).gaps;
        assert_eq!((gaps.by_pid.len(), gaps.total()), (PIDS, 3 + 8192));
    }
}
