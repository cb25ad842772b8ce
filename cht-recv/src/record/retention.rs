//! Keeps room: removes the oldest closed segments of all sessions.
//!
//! A removal is first recorded, then the playlist drops the segment, then the file is removed, then
//! the event is emitted. So a crash leaves at worst a file that recovery removes. Frames and index
//! stay.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cht_core::{
    event::{DeleteReason, Deleted},
    process::{
        clock,
        report::Limited,
        units::{self, Size},
    },
    session::{
        Session,
        segment_log::{self, SegmentLog},
    },
    storage::durable,
};
use clap::Args;
use jiff::Timestamp;

use super::playlist_file::PlaylistFile;
use crate::{disk, report::events::EventWriter};

/// Time until the free space is checked again, because others write to the disk as well.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Number of segments of which one is removed at once on a full disk: each removal has to list all
/// of them.
const AT_ONCE: usize = 128;

/// Shortest time between two checks by age.
const LEAST_WAIT: Duration = Duration::from_secs(1);

/// Limits that retention keeps, over all sessions.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct Limits {
    /// Remove the oldest segments of all sessions to keep this much of the disk free, such as 20GiB
    #[arg(long, value_name = "SIZE", env = "CHT_MIN_FREE")]
    pub min_free: Option<Size>,
    /// Remove the oldest segments when those of all sessions are larger than this together, such as
    /// 500GiB
    #[arg(long = "retain-bytes", value_name = "SIZE", env = "CHT_RETAIN_BYTES")]
    pub bytes: Option<Size>,
    /// Remove segments this long after they were closed, such as 12h or 7d; 0s: every closed one
    #[arg(long = "retain-age", value_name = "TIME", env = "CHT_RETAIN_AGE", value_parser = units::age)]
    pub age: Option<Duration>,
}

impl Limits {
    /// Returns whether anything is ever removed.
    pub(crate) fn any(&self) -> bool {
        self.min_free.is_some() || self.bytes.is_some() || self.age.is_some()
    }
}

/// A closed segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    /// Index of its session.
    session: usize,
    seq: u64,
    bytes: u64,
    /// When it was closed, or when an earlier one of its session was, if the wall clock was set
    /// back in between.
    closed_at: Timestamp,
}

/// A session and its record.
#[derive(Debug)]
struct Shelf {
    session: Session,
    record: SegmentLog,
}

/// Removes segments.
#[derive(Debug)]
pub(crate) struct Retention {
    limits: Limits,
    /// The folder of all sessions.
    sessions: PathBuf,
    /// The session being recorded, once that has begun.
    ours: Option<Session>,
    events: EventWriter,
    shelves: Vec<Shelf>,
    /// Index of each session's folder.
    places: HashMap<PathBuf, usize>,
    /// When the oldest remaining segment was closed.
    oldest: Option<Timestamp>,
    removed: Limited,
    trouble: Limited,
    /// When a removal on a full disk last gave no room.
    fruitless: Option<Instant>,
    /// Whether a warning said that nothing is left to remove, and that still holds.
    said_empty: bool,
}

impl Retention {
    /// Creates the retention of the sessions in a folder. `ours` is the recorded one.
    pub(crate) fn new(
        limits: Limits,
        sessions: PathBuf,
        ours: Option<Session>,
        events: EventWriter,
    ) -> Self {
        Self {
            limits,
            sessions,
            ours,
            events,
            shelves: Vec::new(),
            places: HashMap::new(),
            oldest: None,
            removed: Limited::default(),
            trouble: Limited::default(),
            fruitless: None,
            said_empty: false,
        }
    }

    /// Removes segments beyond the limits. `playlist` is that of the recorded session.
    pub(crate) fn look(&mut self, playlist: &mut PlaylistFile) {
        let (candidates, total) = self.candidates();
        let now = clock::wall();
        let free = self.limits.min_free.map(|_| disk::free(&self.sessions));
        let free = match free.transpose() {
            Ok(free) => free,
            Err(error) => {
                let path = self.sessions.display();
                self.trouble.warn(
                    clock::monotonic(),
                    format_args!("{path}: {error}; its free space is unknown, for --min-free"),
                );
                None
            }
        };
        let chosen = choose(&candidates, total, free, now, &self.limits);
        self.oldest = candidates.get(chosen.len()).map(|candidate| candidate.closed_at);
        let lacking = free.zip(self.limits.min_free).is_some_and(|(free, Size(wanted))| {
            let freed: u64 = candidates[..chosen.len()].iter().map(|c| c.bytes).sum();
            free + freed < wanted
        });
        self.remove(&candidates[..chosen.len()], &chosen, Some(playlist));
        if lacking && !std::mem::replace(&mut self.said_empty, true) {
            let path = self.sessions.display();
            self.trouble.warn(
                clock::monotonic(),
                format_args!(
                    "{path}: less than --min-free is free, and no segment is left to remove; \
                     something else takes the room"
                ),
            );
        }
        self.said_empty &= lacking;
    }

    /// Removes the oldest segment, or several of many, whatever the limits are: the disk is full.
    /// Returns whether there is more room now. `playlist` is that of the recorded session, if there
    /// is one.
    pub(crate) fn make_room(&mut self, playlist: Option<&mut PlaylistFile>) -> bool {
        let now = clock::monotonic();
        if self.fruitless.is_some_and(|then| now.saturating_duration_since(then) < LOOK_AGAIN) {
            return false;
        }
        let (candidates, _) = self.candidates();
        if candidates.is_empty() {
            return false;
        }
        let oldest = &candidates[..candidates.len().div_ceil(AT_ONCE)];
        let before = disk::free(&self.sessions).ok();
        self.remove(oldest, &vec![DeleteReason::Disk; oldest.len()], playlist);
        // A quota, a snapshot or a reader may keep the room: then removing the next one gains
        // nothing.
        let after = disk::free(&self.sessions).ok();
        let more = before.zip(after).is_some_and(|(before, after)| before < after);
        self.fruitless = (!more).then_some(now);
        more
    }

    /// Returns the time until the next check, if nothing happens before.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let free = self.limits.min_free.map(|_| LOOK_AGAIN);
        let age = self.limits.age.zip(self.oldest).map(|(limit, oldest)| {
            limit.saturating_sub(age(oldest, clock::wall())).max(LEAST_WAIT)
        });
        free.into_iter().chain(age).min()
    }

    /// Returns the segments that may be removed, oldest first, and the total bytes of all segments.
    fn candidates(&mut self) -> (Vec<Candidate>, u64) {
        self.find_sessions();
        let (mut candidates, mut total) = (Vec::new(), 0);
        for (n, Shelf { session, record }) in self.shelves.iter_mut().enumerate() {
            record.update(session);
            let bytes: u64 = record.kept().map(|closed| closed.bytes).sum();
            total += bytes;
            // Another cht-recv takes care of the session it records.
            if bytes == 0 || (self.ours.as_ref() != Some(session) && session.is_recording()) {
                continue;
            }
            let mut latest = Timestamp::MIN;
            candidates.extend(record.kept().map(|closed| {
                latest = latest.max(closed.closed_at);
                Candidate { session: n, seq: closed.seq, bytes: closed.bytes, closed_at: latest }
            }));
        }
        // Stable, so that segments of one session stay in order.
        candidates.sort_by_key(|candidate| candidate.closed_at);
        (candidates, total)
    }

    fn find_sessions(&mut self) {
        let Ok(entries) = fs::read_dir(&self.sessions) else { return };
        let mut there: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        there.sort();
        for path in there {
            if !self.places.contains_key(&path)
                && let Ok(session) = Session::open(&path)
            {
                self.places.insert(path, self.shelves.len());
                self.shelves.push(Shelf { session, record: SegmentLog::default() });
            }
        }
    }

    /// Removes `candidates`, each for its reason.
    fn remove(
        &mut self,
        candidates: &[Candidate],
        reasons: &[DeleteReason],
        mut playlist: Option<&mut PlaylistFile>,
    ) {
        let mut by_session: BTreeMap<usize, Vec<Deleted>> = BTreeMap::new();
        for (candidate, reason) in candidates.iter().zip(reasons) {
            let session = &self.shelves[candidate.session].session;
            by_session.entry(candidate.session).or_default().push(Deleted {
                seq: candidate.seq,
                path: session.segment(candidate.seq).to_string_lossy().into_owned(),
                bytes: candidate.bytes,
                reason: *reason,
                at: clock::wall(),
            });
        }
        for (n, deleted) in by_session {
            let session = self.shelves[n].session.clone();
            if let Err(error) = self.remove_from(&session, &deleted, playlist.as_deref_mut()) {
                let path = session.stream();
                self.trouble.warn(
                    clock::monotonic(),
                    format_args!("{}: {error}; its old segments cannot be removed", path.display()),
                );
            }
        }
    }

    fn remove_from(
        &mut self,
        session: &Session,
        deleted: &[Deleted],
        playlist: Option<&mut PlaylistFile>,
    ) -> anyhow::Result<()> {
        let ours = playlist.filter(|_| self.ours.as_ref() == Some(session));
        let _lock = if ours.is_some() { None } else { Some(session.lock()?) };
        let event = |one: &Deleted| session.event(one.clone());
        let lines: Vec<u8> = deleted.iter().flat_map(|one| event(one).to_session_line()).collect();
        match segment_log::append(&session.segment_log(), &lines) {
            // No room to record it: removing the first one makes room. A crash here leaves a
            // missing segment, which recovery records.
            Err(error) if disk::is_full(&error) => {
                if let Some(first) = deleted.first() {
                    durable::remove(Path::new(&first.path))?;
                }
                segment_log::append(&session.segment_log(), &lines)?;
            }
            result => result?,
        }
        let last = deleted.iter().map(|one| one.seq).max().unwrap_or(0);
        let renewed;
        let playlist = if let Some(playlist) = ours {
            playlist.remove_up_to(last);
            Some(&*playlist)
        } else {
            renewed = PlaylistFile::renew(session);
            renewed.as_ref()
        };
        for one in deleted {
            durable::remove(Path::new(&one.path))?;
            let Deleted { path, reason, .. } = one;
            let why = reason_in_words(*reason);
            self.removed.note(clock::monotonic(), format_args!("{path}: removed, {why}"));
            self.events.emit(event(one));
        }
        let tables = self.tables_without_segments(session, deleted);
        for path in tables.iter().filter(|path| !playlist.is_some_and(|it| it.refers_to(path))) {
            // If it stays, it is a few hundred bytes without a reader.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }

    /// Returns the tables of connections whose last segments are in `deleted`, the first ones of
    /// `session`.
    fn tables_without_segments(&self, session: &Session, deleted: &[Deleted]) -> Vec<PathBuf> {
        let Some(place) = self.places.get(session.root()) else { return Vec::new() };
        let record = &self.shelves[*place].record;
        let last = deleted.iter().map(|one| one.seq).max().unwrap_or(0);
        // The last connection may still be sending.
        let left = record.kept().find(|closed| closed.seq > last);
        let left = left.map_or(record.connections(), |closed| closed.connection);
        let connections: BTreeSet<u32> =
            deleted.iter().filter_map(|one| Some(record.get(one.seq)?.connection)).collect();
        connections.range(..left).map(|connection| session.tables(*connection)).collect()
    }
}

fn reason_in_words(reason: DeleteReason) -> &'static str {
    match reason {
        DeleteReason::MinFree => "less than --min-free was free",
        DeleteReason::RetainBytes => "the segments were more than --retain-bytes",
        DeleteReason::RetainAge => "older than --retain-age",
        DeleteReason::Disk => "the disk was full",
        DeleteReason::Missing => "it was missing",
    }
}

fn age(closed_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(closed_at)).unwrap_or_default()
}

/// Returns the reasons to remove the first of `candidates`, oldest first, up to the first that may
/// stay. Pure.
///
/// The room that a removal gives back is calculated, not measured: file systems may take their
/// time, and a reader may still hold the file.
fn choose(
    candidates: &[Candidate],
    mut total: u64,
    mut free: Option<u64>,
    now: Timestamp,
    limits: &Limits,
) -> Vec<DeleteReason> {
    let reason_for = |candidate: &Candidate| {
        let too_old = limits.age.is_some_and(|limit| age(candidate.closed_at, now) >= limit);
        let too_much = limits.bytes.is_some_and(|Size(limit)| total > limit);
        let too_full = free.zip(limits.min_free).is_some_and(|(free, Size(wanted))| free < wanted);
        total -= candidate.bytes;
        free = free.map(|free| free + candidate.bytes);
        if too_old {
            Some(DeleteReason::RetainAge)
        } else if too_much {
            Some(DeleteReason::RetainBytes)
        } else {
            too_full.then_some(DeleteReason::MinFree)
        }
    };
    candidates.iter().map_while(reason_for).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Vec<Candidate> {
        let candidate = |n: u64| Candidate {
            session: 0,
            seq: n,
            bytes: 100,
            closed_at: Timestamp::from_second(1000 + n as i64 * 60).unwrap(),
        };
        (0..10).map(candidate).collect()
    }

    #[test]
    fn oldest_segments_are_chosen_only_with_limit() {
        let now = Timestamp::from_second(1600).unwrap();
        let chosen = |free, limits: Limits| choose(&ten(), 1000, free, now, &limits);
        assert!(chosen(Some(0), Limits::default()).is_empty());
        let bytes = Limits { bytes: Some(Size(750)), ..Limits::default() };
        assert_eq!(chosen(None, bytes), [DeleteReason::RetainBytes; 3]);
        let age = Limits { age: Some(Duration::from_secs(480)), ..Limits::default() };
        assert_eq!(chosen(None, age), [DeleteReason::RetainAge; 3]);
        let min_free = Limits { min_free: Some(Size(500)), ..Limits::default() };
        assert_eq!(chosen(Some(350), min_free), [DeleteReason::MinFree; 2]);
        assert!(chosen(Some(500), min_free).is_empty());
        let all = Limits { age: age.age, bytes: bytes.bytes, min_free: Some(Size(900)) };
        let reasons = chosen(Some(350), all);
        assert_eq!(reasons[..3], [DeleteReason::RetainAge; 3]);
        assert_eq!(reasons[3..], [DeleteReason::MinFree; 3]);
    }

    #[test]
    fn segments_that_must_stay_count_towards_limit() {
        let limits = Limits { bytes: Some(Size(100)), ..Limits::default() };
        let chosen = choose(&ten(), 5000, None, Timestamp::MIN, &limits);
        assert_eq!(chosen.len(), 10);
    }
}
