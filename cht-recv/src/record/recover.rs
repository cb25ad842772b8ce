//! Adopts what a killed recorder left: its segments are closed, recorded and announced, and no byte
//! is lost.
//!
//! A kill can fall between any two steps of a segment's life (`docs/recording.md`). It may leave a
//! torn last line in the record, a `.part`, or a segment with its final name and no line in the
//! record.
//!
//! Nothing in a session keeps the recorder from recording: what cannot be read, adopted or removed
//! is reported and left as it is. Only a disk without any room is an error, because nothing could
//! be recorded on it either.

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, DeleteReason, Deleted, Event, SegmentClosed, SegmentOpen},
    ndjson::MAX_LINE,
    process::{clock, report},
    session::{
        Session, SessionError,
        segment_log::{self, SegmentLog},
        sequence,
    },
    storage::{durable, patience::TRY_AGAIN, regular},
    terminal::units,
};

use super::{
    adopt::{self, Before},
    playlist_file::PlaylistFile,
    remove::{discard_unused, finish_removals},
};
use crate::{
    disk::{self, START_TRIES, is_not_found, named},
    report::events::EventWriter,
};

/// Age of the folder of a session without a byte that a killed recorder has left.
const UNUSED_FOR: Duration = Duration::from_secs(60);

/// Adopts the rest in the other sessions below `sessions` that have no recorder: segments of
/// at most `largest` bytes.
pub(crate) fn recover_others(
    sessions: &Path,
    ours: &Session,
    largest: u64,
    events: &EventWriter,
) -> Result<()> {
    finish_removals(sessions);
    let mut trouble = Trouble::default();
    let entries = match fs::read_dir(sessions) {
        Ok(entries) => entries,
        Err(error) => {
            trouble.add(sessions, &error);
            trouble.say(ours.name(), events);
            return Ok(());
        }
    };
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                trouble.add(sessions, &error);
                continue;
            }
        };
        let Ok(session) = Session::open(&entry) else { continue };
        if session == *ours {
            continue;
        }
        match session.try_lock() {
            Ok(_lock) => {
                recover_other(&session, largest, events)?;
                // One that was made just now may be that of a recorder about to lock it.
                if clock::age_of(session.root()).is_ok_and(|age| age >= UNUSED_FOR) {
                    discard_unused(&session);
                }
            }
            // Its own recorder takes care of it.
            Err(SessionError::Busy(_)) => {}
            Err(error) => {
                let mut trouble = Trouble::default();
                trouble.add(&session.stream(), &error);
                trouble.say(session.name(), events);
            }
        }
    }
    trouble.say(ours.name(), events);
    Ok(())
}

fn recover_other(session: &Session, largest: u64, events: &EventWriter) -> Result<()> {
    // Its own next start, or the next of any recorder, tries again.
    let mut recovery = Recovery::new(session, largest, 0, events);
    let path = session.segment_log();
    let known = || segment_log::mend(&path).and_then(|()| SegmentLog::read(session));
    // Only the record tells which segments a session misses.
    let recovered = match recovery.attempt(|| known().with_context(named(&path))) {
        Ok(Some(known)) => recovery.run(&known).map(|()| {
            // A killed recorder has left it open, or torn.
            if recovery.changed || PlaylistFile::has_end(session) == Some(false) {
                PlaylistFile::renew(session);
            }
        }),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    recovery.trouble.say(session.name(), events);
    recovered
}

/// Adopts what was left in `session`, whose lock must be held and which is to be continued:
/// segments of at most `largest` bytes. An unreadable record is set aside, and a new one begins.
pub(crate) fn recover(session: &Session, largest: u64, events: &EventWriter) -> Result<()> {
    let path = session.segment_log();
    // Setting a record aside for a passing error would cost every segment its place.
    let read = || segment_log::mend(&path).and_then(|()| SegmentLog::read(session).map(drop));
    let read = || read().with_context(named(&path));
    let mut tries = START_TRIES;
    if let Err(error) = patiently(&mut tries, disk::is_passing, read) {
        if error.downcast_ref().is_some_and(|cause| disk::has_no_room(cause, &path)) {
            return Err(error);
        }
        let aside = durable::set_aside(&path, ".unreadable").with_context(named(&path))?;
        let message =
            format!("{error:#}; set aside as {}, and a new record is begun", aside.display());
        events.fail(Some(session.name()), "recovery", &message, Some(&path.to_string_lossy()));
    }
    let mut recovery = Recovery::new(session, largest, START_TRIES, events);
    let recovered = recovery.run(&SegmentLog::of(session));
    recovery.trouble.say(session.name(), events);
    recovered
}

/// Repeats a step while its error `passes` and `tries` are left. Reports the first error, if all
/// [`START_TRIES`] are left.
fn patiently<T>(
    tries: &mut u32,
    passes: impl Fn(&io::Error) -> bool,
    step: impl Fn() -> Result<T>,
) -> Result<T> {
    loop {
        let error = match step() {
            Err(error) if *tries > 0 && error.downcast_ref().is_some_and(&passes) => error,
            result => return result,
        };
        if *tries == START_TRIES {
            report::note(format_args!("{error:#}; trying again"));
        }
        *tries -= 1;
        clock::rest(TRY_AGAIN);
    }
}

/// Problems with one session, reported together.
#[derive(Debug, Default)]
struct Trouble {
    /// Path and message of the first problem.
    first: Option<(String, String)>,
    more: u64,
}

impl Trouble {
    fn add(&mut self, path: &Path, error: &dyn Display) {
        let path = path.to_string_lossy().into_owned();
        let message = format!("{path}: {error}");
        self.add_message(path, message);
    }

    fn add_message(&mut self, path: String, message: String) {
        self.more += u64::from(self.first.is_some());
        self.first.get_or_insert((path, message));
    }

    fn say(&self, session: &str, events: &EventWriter) {
        let Some((path, message)) = &self.first else { return };
        let more = match self.more {
            0 => String::new(),
            more => format!(" ({more} more like it in this session)"),
        };
        let message = format!("{message}; left as it is, and recording goes on{more}");
        events.fail(Some(session), "recovery", &message, Some(path));
    }
}

/// Recovery of one session, whose lock is held and whose record is whole.
struct Recovery<'a> {
    session: &'a Session,
    events: &'a EventWriter,
    /// Maximum size of a segment: a larger file is not read.
    largest: u64,
    /// Further tries that a refusing disk gets.
    tries: u32,
    trouble: Trouble,
    /// Whether the record was changed.
    changed: bool,
}

impl<'a> Recovery<'a> {
    fn new(session: &'a Session, largest: u64, tries: u32, events: &'a EventWriter) -> Self {
        Self { session, events, largest, tries, trouble: Trouble::default(), changed: false }
    }

    /// Repeats a step while the disk refuses it and tries are left. Returns its result, or `None`
    /// after noting its error. A disk without room is an error.
    fn attempt<T>(&mut self, step: impl Fn() -> Result<T>) -> Result<Option<T>> {
        let stream = self.session.stream();
        let has_no_room = |cause: &io::Error| disk::has_no_room(cause, &stream);
        let passes = |cause: &io::Error| disk::is_passing(cause) && !has_no_room(cause);
        let error = match patiently(&mut self.tries, passes, step) {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        if error.downcast_ref().is_some_and(has_no_room) {
            return Err(error);
        }
        self.trouble.add_message(stream.to_string_lossy().into_owned(), format!("{error:#}"));
        Ok(None)
    }

    fn run(&mut self, known: &SegmentLog) -> Result<()> {
        if let Some(listed) = self.listed()? {
            self.finish_removals(known, &listed)?;
            self.record_missing(known, &listed)?;
            self.record_again(known, &listed)?;
            self.adopt(known, &listed)?;
        }
        let path = self.session.open_event();
        self.attempt(|| durable::remove(&path).with_context(named(&path))).map(drop)
    }

    /// Returns the numbers of the segments that have a name in the folder; `None` if it cannot be
    /// listed.
    ///
    /// Removes temporary files that a kill has left: tables have no later writer to remove them.
    fn listed(&mut self) -> Result<Option<BTreeSet<u64>>> {
        let stream = self.session.stream();
        let list = || {
            let mut listed = BTreeSet::new();
            for entry in fs::read_dir(&stream)? {
                let name = entry?.file_name();
                listed.extend(sequence(Path::new(&name)));
                if durable::unfinished(&name).is_some() {
                    // If it stays, it does no harm.
                    let _ = fs::remove_file(stream.join(&name));
                }
            }
            Ok::<_, io::Error>(listed)
        };
        self.attempt(|| list().with_context(named(&stream)))
    }

    /// Removes the files of segments whose removal by retention is recorded.
    fn finish_removals(&mut self, known: &SegmentLog, listed: &BTreeSet<u64>) -> Result<()> {
        for seq in listed {
            if !known.is_deleted(*seq) || known.missing(*seq).is_some() {
                continue;
            }
            let path = self.session.segment(*seq);
            if self.attempt(|| durable::remove(&path).with_context(named(&path)))? == Some(true) {
                report::note(format_args!("{}: its removal was finished", path.display()));
            }
        }
        Ok(())
    }

    /// Records the segments that are missing. One that only cannot be seen is not.
    fn record_missing(&mut self, known: &SegmentLog, listed: &BTreeSet<u64>) -> Result<()> {
        let kept = known.kept().filter(|closed| !listed.contains(&closed.seq));
        let gone = kept.filter(|closed| is_not_found(&self.session.segment(closed.seq)));
        let gone: Vec<_> = gone.map(|closed| missing(self.session, closed)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let path = self.session.segment_log();
        let lines: Vec<u8> = gone.iter().flat_map(Event::to_session_line).collect();
        let append = || segment_log::append(&path, &lines).with_context(named(&path));
        if self.attempt(append)?.is_some() {
            self.changed = true;
            report::note(format_args!(
                "{}: {} missing",
                path.display(),
                units::count(gone.len() as u64, "segment")
            ));
            for event in gone {
                self.events.emit(event);
            }
        }
        Ok(())
    }

    /// Records again the segments that were missing at an earlier start and are back.
    fn record_again(&mut self, known: &SegmentLog, listed: &BTreeSet<u64>) -> Result<()> {
        for seq in listed {
            let Some(closed) = known.missing(*seq) else { continue };
            let (session, largest) = (self.session, self.largest);
            if let Some(closed) = self.attempt(|| adopt::again(session, closed, largest))?
                && self.record(&closed)?
            {
                report::note(format_args!("{}: is there again", closed.path));
            }
        }
        Ok(())
    }

    /// Adopts the segments that are not in the record, in order.
    fn adopt(&mut self, known: &SegmentLog, listed: &BTreeSet<u64>) -> Result<()> {
        let mut open = None;
        let mut before = known
            .last()
            .cloned()
            .map(|closed| Before { may_go_on: !closed.end_reason.ends_connection(), closed });
        for seq in listed {
            if known.get(*seq).is_some() || known.is_deleted(*seq) {
                continue;
            }
            let open = open.get_or_insert_with(|| open_segment(self.session)).as_ref();
            let open = open.filter(|open| open.seq == *seq);
            let (session, largest) = (self.session, self.largest);
            let adopt = || adopt::adopt(session, *seq, largest, open, before.as_ref());
            let Some(Some(closed)) = self.attempt(adopt)? else { continue };
            if self.record(&closed)? {
                report::note(format_args!("{}: recovered, {} bytes", closed.path, closed.bytes));
                // One recorder has left both.
                before = Some(Before { closed, may_go_on: true });
            }
        }
        Ok(())
    }

    /// Appends a segment's line to the record, and announces it. Returns whether that succeeded.
    fn record(&mut self, closed: &SegmentClosed) -> Result<bool> {
        let path = self.session.segment_log();
        let event = self.session.event(closed.clone());
        let append =
            || segment_log::append(&path, &event.to_session_line()).with_context(named(&path));
        let written = self.attempt(append)?.is_some();
        if written {
            self.changed = true;
            self.events.emit(event);
        }
        Ok(written)
    }
}

/// Returns the `deleted` event of a missing segment.
pub(crate) fn missing(session: &Session, closed: &SegmentClosed) -> Event {
    let path = session.segment(closed.seq).to_string_lossy().into_owned();
    let (reason, at) = (DeleteReason::Missing, clock::wall());
    let deleted = Deleted { seq: closed.seq, path, bytes: closed.bytes, reason, at };
    session.event(deleted)
}

/// Reads what the killed recorder noted about the segment it was writing.
fn open_segment(session: &Session) -> Option<SegmentOpen> {
    let mut line = Vec::new();
    let file = regular::open(&session.open_event()).ok()?;
    file.take(MAX_LINE as u64).read_to_end(&mut line).ok()?;
    match Event::parse(&line).ok()??.body {
        Body::SegmentOpen(open) if open.connection < u32::MAX => Some(open),
        _ => None,
    }
}
