//! Keeps room: removes the oldest closed segments of all sessions, and at last whole sessions.
//!
//! A removal is first recorded, then the playlist drops the segment, then the file is removed, then
//! the event is emitted. So a crash leaves at worst a file that recovery removes. Frames, sound and
//! index stay until their session is [removed](super::remove) as a whole.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cht_core::{
    event::{DeleteReason, Deleted, SessionDeleted},
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

use super::{
    playlist_file::PlaylistFile,
    remove::{self, Rest},
};
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
    /// Remove the oldest segments, and sessions without segments, to keep this much of the disk
    /// free, such as 20GiB
    #[arg(long, value_name = "SIZE", env = "CHT_MIN_FREE")]
    pub min_free: Option<Size>,
    /// Remove the oldest segments, and sessions without segments, when all sessions together, with
    /// pictures, sound and index, are larger than this, such as 500GiB
    #[arg(long = "retain-bytes", value_name = "SIZE", env = "CHT_RETAIN_BYTES")]
    pub bytes: Option<Size>,
    /// Remove segments this long after they were closed, such as 12h or 7d; 0s: every closed one
    #[arg(long = "retain-age", value_name = "TIME", env = "CHT_RETAIN_AGE", value_parser = units::age)]
    pub age: Option<Duration>,
    /// Remove a session with its pictures, sound and index this long after its last segment was
    /// closed, such as 90d
    #[arg(long = "retain-frames-age", value_name = "TIME", env = "CHT_RETAIN_FRAMES_AGE", value_parser = units::age)]
    pub frames_age: Option<Duration>,
}

impl Limits {
    /// Returns whether anything is ever removed.
    pub(crate) fn any(&self) -> bool {
        let by_size = self.min_free.is_some() || self.bytes.is_some();
        by_size || self.age.is_some() || self.frames_age.is_some()
    }

    /// Returns whether pictures would go before their segments.
    pub(crate) fn are_reversed(&self) -> bool {
        self.age.zip(self.frames_age).is_some_and(|(age, frames_age)| frames_age < age)
    }
}

/// A closed segment, or the rest of a session after its last segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    /// Index of its session.
    session: usize,
    /// Number of the segment; `None` for the rest.
    seq: Option<u64>,
    bytes: u64,
    /// When it was closed, or when an earlier one of its session was, if the wall clock was set
    /// back in between.
    closed_at: Timestamp,
    /// When the last segment of its session was closed; `None` if the session is being recorded.
    ended_at: Option<Timestamp>,
}

/// A session, its record, and the size of its other files.
#[derive(Debug)]
struct Shelf {
    session: Session,
    record: SegmentLog,
    rest: Rest,
}

/// Segments and files to remove from a session.
#[derive(Debug, Default)]
struct Removal {
    deleted: Vec<Deleted>,
    bytes: u64,
    /// Reason, if the whole session is.
    whole: Option<DeleteReason>,
}

/// Removes segments and sessions.
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
    /// Time from the last check until the next one by age.
    next_by_age: Option<Duration>,
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
            next_by_age: None,
            removed: Limited::default(),
            trouble: Limited::default(),
            fruitless: None,
            said_empty: false,
        }
    }

    /// Goes on while another session is recorded.
    pub(crate) fn of(self, session: &Session) -> Self {
        Self { ours: Some(session.clone()), ..self }
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
        let stay = candidates.iter().zip(&chosen).filter(|(_, reason)| reason.is_none());
        let due = |(candidate, _)| time_left(candidate, now, &self.limits);
        self.next_by_age = stay.filter_map(due).min();
        let chosen: Vec<_> =
            candidates.into_iter().zip(chosen).filter_map(|(one, why)| Some((one, why?))).collect();
        let lacking = free.zip(self.limits.min_free).is_some_and(|(free, Size(wanted))| {
            let freed: u64 = chosen.iter().map(|(candidate, _)| candidate.bytes).sum();
            free + freed < wanted
        });
        self.remove(&chosen, Some(playlist));
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
        let number = candidates.len().div_ceil(AT_ONCE);
        let oldest: Vec<_> =
            candidates.into_iter().take(number).map(|one| (one, DeleteReason::Disk)).collect();
        let before = disk::free(&self.sessions).ok();
        self.remove(&oldest, playlist);
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
        let age = self.next_by_age.map(|left| left.max(LEAST_WAIT));
        free.into_iter().chain(age).min()
    }

    /// Returns what may be removed, oldest first, and the total bytes of all sessions.
    fn candidates(&mut self) -> (Vec<Candidate>, u64) {
        self.find_sessions();
        let (mut candidates, mut total) = (Vec::new(), 0);
        let now = clock::monotonic();
        for (n, Shelf { session, record, rest }) in self.shelves.iter_mut().enumerate() {
            record.update(session);
            let bytes: u64 = record.kept().map(|closed| closed.bytes).sum();
            let rest = rest.update(session, now);
            total += bytes + rest;
            let is_ours = self.ours.as_ref() == Some(session);
            if is_ours && self.limits.bytes.is_some_and(|Size(limit)| rest > limit) {
                let message = "the pictures, sound and index of this session alone are more than \
                               --retain-bytes; no segment of it can stay";
                self.trouble.warn(now, format_args!("{}: {message}", session.name()));
            }
            // Another cht-recv takes care of the session it records.
            if record.last().is_none() || (!is_ours && session.is_recording()) {
                continue;
            }
            let kept = record.kept().map(|closed| closed.closed_at);
            let latest = kept.chain(record.last().map(|last| last.closed_at)).max();
            let ended_at = latest.filter(|_| !is_ours);
            let mut latest = Timestamp::MIN;
            candidates.extend(record.kept().map(|closed| {
                latest = latest.max(closed.closed_at);
                let (seq, bytes) = (Some(closed.seq), closed.bytes);
                Candidate { session: n, seq, bytes, closed_at: latest, ended_at }
            }));
            if let Some(closed_at) = ended_at.filter(|_| remove::is_removable(session)) {
                candidates.push(Candidate {
                    session: n,
                    seq: None,
                    bytes: rest,
                    closed_at,
                    ended_at,
                });
            }
        }
        // Stable, so that segments of one session stay in order, and the rest comes after them.
        candidates.sort_by_key(|candidate| candidate.closed_at);
        (candidates, total)
    }

    fn find_sessions(&mut self) {
        let Ok(entries) = fs::read_dir(&self.sessions) else { return };
        let there: BTreeSet<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        if self.shelves.iter().any(|shelf| !there.contains(shelf.session.root())) {
            self.shelves.retain(|shelf| there.contains(shelf.session.root()));
            self.places.clear();
            let places = self.shelves.iter().enumerate();
            self.places.extend(places.map(|(n, shelf)| (shelf.session.root().to_owned(), n)));
        }
        for path in there {
            if !self.places.contains_key(&path)
                && let Ok(session) = Session::open(&path)
            {
                self.places.insert(path, self.shelves.len());
                let (record, rest) = (SegmentLog::default(), Rest::default());
                self.shelves.push(Shelf { session, record, rest });
            }
        }
    }

    /// Removes the chosen files, each for its reason.
    fn remove(
        &mut self,
        chosen: &[(Candidate, DeleteReason)],
        mut playlist: Option<&mut PlaylistFile>,
    ) {
        let mut by_session: BTreeMap<usize, Removal> = BTreeMap::new();
        for (candidate, reason) in chosen {
            let session = &self.shelves[candidate.session].session;
            let removal = by_session.entry(candidate.session).or_default();
            let (bytes, reason, at) = (candidate.bytes, *reason, clock::wall());
            removal.bytes += bytes;
            match candidate.seq {
                None => removal.whole = Some(reason),
                Some(seq) => removal.deleted.push(Deleted {
                    seq,
                    path: session.segment(seq).to_string_lossy().into_owned(),
                    bytes,
                    reason,
                    at,
                }),
            }
        }
        for (n, removal) in by_session {
            let session = self.shelves[n].session.clone();
            let removed = match removal.whole {
                Some(reason) => self.remove_whole(&session, &removal, reason),
                None => self.remove_from(&session, &removal.deleted, playlist.as_deref_mut()),
            };
            if let Err(error) = removed {
                let path = session.stream();
                self.trouble.warn(
                    clock::monotonic(),
                    format_args!("{}: {error}; its old segments cannot be removed", path.display()),
                );
            }
        }
    }

    /// Removes a session with everything in it.
    fn remove_whole(
        &mut self,
        session: &Session,
        removal: &Removal,
        reason: DeleteReason,
    ) -> anyhow::Result<()> {
        let _lock = session.lock()?;
        let left = session.take_away()?;
        for one in &removal.deleted {
            self.events.emit(session.event(one.clone()));
        }
        let (bytes, at) = (removal.bytes, clock::wall());
        self.events.emit(session.event(SessionDeleted { bytes, reason, at }));
        let why = reason_in_words(reason);
        let name = session.name();
        self.removed
            .note(clock::monotonic(), format_args!("{name}: removed with all in it, {why}"));
        remove::remove_left(&left)?;
        Ok(())
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
        DeleteReason::RetainBytes => "the sessions were more than --retain-bytes",
        DeleteReason::RetainAge => "older than --retain-age",
        DeleteReason::RetainFramesAge => "older than --retain-frames-age",
        DeleteReason::Disk => "the disk was full",
        DeleteReason::Missing => "it was missing",
    }
}

fn age(closed_at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(closed_at)).unwrap_or_default()
}

/// Returns the time until a candidate is too old; `None` if it never is. Pure.
fn time_left(candidate: &Candidate, now: Timestamp, limits: &Limits) -> Option<Duration> {
    let left = |limit: Duration, since| limit.saturating_sub(age(since, now));
    let of_segment = limits.age.filter(|_| candidate.seq.is_some());
    let of_segment = of_segment.map(|limit| left(limit, candidate.closed_at));
    let of_session = limits.frames_age.zip(candidate.ended_at);
    let of_session = of_session.map(|(limit, ended_at)| left(limit, ended_at));
    of_segment.into_iter().chain(of_session).min()
}

/// Returns the reason to remove each of `candidates`, which come oldest first; `None` for those
/// that may stay. Pure.
///
/// The room that a removal gives back is calculated, not measured: file systems may take their
/// time, and a reader may still hold the file.
fn choose(
    candidates: &[Candidate],
    mut total: u64,
    mut free: Option<u64>,
    now: Timestamp,
    limits: &Limits,
) -> Vec<Option<DeleteReason>> {
    let reason_for = |candidate: &Candidate| {
        let is_over =
            |limit: Option<Duration>, since| limit.is_some_and(|limit| age(since, now) >= limit);
        let too_much = limits.bytes.is_some_and(|Size(limit)| total > limit);
        let too_full = free.zip(limits.min_free).is_some_and(|(free, Size(wanted))| free < wanted);
        let reason = if candidate.seq.is_some() && is_over(limits.age, candidate.closed_at) {
            DeleteReason::RetainAge
        } else if candidate.ended_at.is_some_and(|ended| is_over(limits.frames_age, ended)) {
            DeleteReason::RetainFramesAge
        } else if too_much {
            DeleteReason::RetainBytes
        } else if too_full {
            DeleteReason::MinFree
        } else {
            return None;
        };
        total = total.saturating_sub(candidate.bytes);
        free = free.map(|free| free + candidate.bytes);
        Some(reason)
    };
    candidates.iter().map(reason_for).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten() -> Vec<Candidate> {
        let candidate = |n: u64| Candidate {
            session: 0,
            seq: Some(n),
            bytes: 100,
            closed_at: Timestamp::from_second(1000 + n as i64 * 60).unwrap(),
            ended_at: None,
        };
        (0..10).map(candidate).collect()
    }

    #[test]
    fn oldest_segments_are_chosen_only_with_limit() {
        let now = Timestamp::from_second(1600).unwrap();
        let chosen = |free, limits: Limits| -> Vec<DeleteReason> {
            choose(&ten(), 1000, free, now, &limits).into_iter().flatten().collect()
        };
        assert!(chosen(Some(0), Limits::default()).is_empty());
        let bytes = Limits { bytes: Some(Size(750)), ..Limits::default() };
        assert_eq!(chosen(None, bytes), [DeleteReason::RetainBytes; 3]);
        let age = Limits { age: Some(Duration::from_secs(480)), ..Limits::default() };
        assert_eq!(chosen(None, age), [DeleteReason::RetainAge; 3]);
        let min_free = Limits { min_free: Some(Size(500)), ..Limits::default() };
        assert_eq!(chosen(Some(350), min_free), [DeleteReason::MinFree; 2]);
        assert!(chosen(Some(500), min_free).is_empty());
        let min_free = Some(Size(900));
        let all = Limits { age: age.age, bytes: bytes.bytes, min_free, frames_age: None };
        let reasons = chosen(Some(350), all);
        assert_eq!(reasons[..3], [DeleteReason::RetainAge; 3]);
        assert_eq!(reasons[3..], [DeleteReason::MinFree; 3]);
    }

    #[test]
    fn segments_that_must_stay_count_towards_limit() {
        let limits = Limits { bytes: Some(Size(100)), ..Limits::default() };
        let chosen = choose(&ten(), 5000, None, Timestamp::MIN, &limits);
        assert_eq!(chosen.iter().flatten().count(), 10);
    }

    #[test]
    fn rest_of_session_goes_after_its_segments_or_by_its_own_age() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let one = |session, seq, closed_at| Candidate {
            session,
            seq,
            bytes: 100,
            closed_at: at(closed_at),
            ended_at: Some(at(session as i64 * 1000)),
        };
        // Two sessions that ended at 1000 and at 2000.
        let candidates =
            [one(1, Some(1), 900), one(1, None, 1000), one(2, Some(1), 1900), one(2, None, 2000)];
        let chosen = |limits| choose(&candidates, 400, None, at(3000), &limits);
        let none = Limits::default();
        let bytes = |bytes| Limits { bytes: Some(Size(bytes)), ..none };
        let by_size = Some(DeleteReason::RetainBytes);
        assert_eq!(chosen(bytes(350)), [by_size, None, None, None]);
        assert_eq!(chosen(bytes(250)), [by_size, by_size, None, None]);
        let age = Limits { age: Some(Duration::from_secs(1000)), ..none };
        let by_age = Some(DeleteReason::RetainAge);
        assert_eq!(chosen(age), [by_age, None, by_age, None], "pictures stay");
        let old = Limits { frames_age: Some(Duration::from_secs(1500)), ..age };
        let by_session = Some(DeleteReason::RetainFramesAge);
        assert_eq!(chosen(old), [by_age, by_session, by_age, None]);
        assert_eq!(time_left(&candidates[3], at(3000), &old), Some(Duration::from_secs(500)));
    }
}
