//! `ack`: acknowledges frames that a reader has processed.
//!
//! The file of the reader is written under a lock on its folder. Those of the reader `agent` are
//! marks in the journal first, under the lock of cht-index, so that `sent_to_agent` follows; a
//! crash in between leaves them acknowledged.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::report,
    session::{Session, marks},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    sessions::Place,
    store::{
        cursor::Cursor,
        ids,
        journal::Journal,
        line::{self, Kind},
        state::{Reader, State},
    },
    unread::{self, Marks},
};

/// What to acknowledge.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Frames by their ids.
    Ids(Vec<String>),
    /// All frames before a place.
    To(Cursor),
    /// All frames up to now.
    All,
}

/// The answer of `ack`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Answer {
    /// The session's folder.
    pub session: String,
    /// Name of the reader.
    pub reader: String,
    /// Number of frames that were not acknowledged before.
    pub acknowledged: u64,
    /// Number of frames that are not acknowledged now.
    pub left: u64,
    /// How to go on.
    pub next: String,
}

/// A session lacks the frames, or the place, to acknowledge.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Absent(String);

/// Acknowledges frames for `reader` in the session that is meant. A session that has begun since
/// the frames were given is the newest one now: where it lacks them, the error names the sessions
/// that have them.
pub(crate) fn acknowledge(
    place: &Place,
    reader: &Reader,
    what: &What,
    at: Timestamp,
) -> Result<Answer> {
    let session = place.session()?;
    let answer = acknowledge_in(&session, reader, what, at);
    let Err(error) = answer else { return answer };
    if place.session.is_some() || !error.is::<Absent>() {
        return Err(error);
    }
    let others = place.all()?.into_iter().filter(|other| other.root() != session.root());
    let having = others.filter(|other| has(other, what).unwrap_or(false)).take(MOST_NAMED);
    match having.map(|other| other.name().to_owned()).collect::<Vec<_>>() {
        having if having.is_empty() => Err(error),
        having => bail!("{error}; name the session that they are of: {}", having.join(" or ")),
    }
}

/// Largest number of sessions that an error names.
const MOST_NAMED: usize = 3;

/// Returns whether a session has the frames, or the place, to acknowledge.
fn has(session: &Session, what: &What) -> Result<bool> {
    let journal = Journal::open(session)?;
    match what {
        What::Ids(ids) => Ok(lacking(&journal, ids, &[0])?.is_empty()),
        What::To(cursor) => holds(&journal, *cursor),
        What::All => Ok(true),
    }
}

/// Returns the frames that a journal lacks; it is read from each of the bytes `from` on, until all
/// are found.
fn lacking<'a>(
    journal: &Journal,
    ids: impl IntoIterator<Item = &'a String>,
    from: &[u64],
) -> Result<BTreeSet<&'a str>> {
    let mut lacking: BTreeSet<&str> = ids.into_iter().map(String::as_str).collect();
    for from in from {
        if lacking.is_empty() {
            break;
        }
        journal.each_line(*from, |line, _, _| {
            if line::kind(line) == Kind::Frame
                && let Some(id) = line::id(line)
            {
                lacking.remove(id.as_str());
            }
            !lacking.is_empty()
        })?;
    }
    Ok(lacking)
}

/// Tells whether a cursor is a place in a journal.
fn holds(journal: &Journal, cursor: Cursor) -> Result<bool> {
    Ok(match journal.file() {
        Some(file) => cursor.holds(file)?,
        None => cursor.is_start(),
    })
}

/// Acknowledges frames of `session` for `reader`.
fn acknowledge_in(
    session: &Session,
    reader: &Reader,
    what: &What,
    at: Timestamp,
) -> Result<Answer> {
    let _lock = session.lock_readers()?;
    let mut work = Work::begin(session, reader)?;
    match what {
        What::Ids(ids) => work.take_ids(ids)?,
        What::To(cursor) => work.take_to(*cursor)?,
        What::All => {
            let end = work.journal.each_line(work.state.cursor.frames, |_, _, _| true)?;
            work.pass(end, end)?;
        }
    }
    work.commit(at)?;
    let newest = work.journal.newest()?;
    let all = newest.as_ref().and_then(|frame| ids::number(&frame.id)).unwrap_or(0);
    let unmarked = work.marks.keys().filter(|id| !work.state.frames.contains(id)).count() as u64;
    let left = all.saturating_sub(work.state.frames.len() + unmarked);
    let next =
        if left > 0 { "ask for the next frames" } else { "ask for the next frames, and wait" };
    Ok(Answer {
        session: session.name().to_owned(),
        reader: reader.name().to_owned(),
        acknowledged: work.new.len() as u64,
        left,
        next: next.to_owned(),
    })
}

/// Saves that all frames before byte `end` are acknowledged already.
pub(crate) fn pass(session: &Session, reader: &Reader, end: u64, at: Timestamp) -> Result<()> {
    let _lock = session.lock_readers()?;
    let mut work = Work::begin(session, reader)?;
    // Another process may have gone on since.
    let batch = unread::read(&mut work.journal, &work.state, &work.marks, 1)?;
    if batch.acknowledged_to >= end {
        work.pass(end, end)?;
        work.save(at)?;
    }
    Ok(())
}

/// An acknowledgement that is being made.
struct Work<'a> {
    session: &'a Session,
    reader: &'a Reader,
    journal: Journal,
    state: State,
    marks: Marks,
    /// Frames that were not acknowledged before.
    new: Vec<String>,
}

impl<'a> Work<'a> {
    fn begin(session: &'a Session, reader: &'a Reader) -> Result<Self> {
        let mut journal = Journal::open(session)?;
        let state = State::read(&journal, reader)?;
        let marks = if reader.is_agent() {
            unread::marks(&mut journal, state.cursor.frames)?
        } else {
            Marks::new()
        };
        Ok(Self { session, reader, journal, state, marks, new: Vec::new() })
    }

    fn take(&mut self, id: &str) {
        if self.state.frames.insert(id) && !self.marks.contains_key(id) {
            self.new.push(id.to_owned());
        }
    }

    /// Takes frames by their ids, all of which have to be there.
    fn take_ids(&mut self, ids: &[String]) -> Result<()> {
        let known = |id: &&String| !self.state.frames.contains(id);
        let asked: Vec<&String> = ids.iter().filter(known).collect();
        // Those that were given last are near the cursor; the rest may be anywhere.
        let from = [self.state.cursor.frames, 0];
        if let Some(id) = lacking(&self.journal, asked.iter().copied(), &from)?.first() {
            let session = self.session.name();
            bail!(Absent(format!("{id}: no such frame in {session}; nothing is acknowledged")));
        }
        for id in asked {
            self.take(id);
        }
        // The cursor goes on to the first frame that is not acknowledged.
        let (mut end, words) = (self.state.cursor.frames, self.state.cursor.words);
        let (state, marks) = (&self.state, &self.marks);
        self.journal.each_line(end, |line, _, after| {
            let id = if line::kind(line) == Kind::Frame { line::id(line) } else { return true };
            let is_known =
                id.is_some_and(|id| state.frames.contains(&id) || marks.contains_key(&id));
            end = if is_known { after } else { end };
            is_known
        })?;
        self.pass(end, words)
    }

    /// Takes all frames before a cursor of an answer.
    fn take_to(&mut self, cursor: Cursor) -> Result<()> {
        if !holds(&self.journal, cursor)? {
            bail!(Absent(format!(
                "{cursor}: no place in the index of {}: it is of another session, or from before the \
                 index was started over; nothing is acknowledged, ask for the next frames",
                self.session.name()
            )));
        }
        self.pass(cursor.frames, cursor.words)
    }

    /// Takes all frames before byte `end`, and their words before byte `words`.
    fn pass(&mut self, end: u64, words: u64) -> Result<()> {
        let from = self.state.cursor.frames;
        if end > from {
            let mut ids = Vec::new();
            self.journal.each_line(from, |line, begin, _| {
                if begin < end && line::kind(line) == Kind::Frame {
                    ids.extend(line::id(line));
                }
                begin < end
            })?;
            for id in &ids {
                self.take(id);
            }
        }
        if let Some(file) = self.journal.file() {
            let words = words.max(self.state.cursor.words);
            self.state.cursor = Cursor::at(file, end.max(from), words)?;
        }
        Ok(())
    }

    /// Makes it durable.
    fn commit(&mut self, at: Timestamp) -> Result<()> {
        if !self.reader.is_agent() {
            return self.save(at);
        }
        let marked = self.mark(at)?;
        if let (Some((begin, end)), Some(file)) = (marked, self.journal.file())
            && begin == self.state.cursor.frames
        {
            // Nothing lies between: the marks need not be read again.
            self.state.cursor = Cursor::at(file, end, end)?;
        }
        if let Err(error) = self.save(at) {
            // The marks count.
            report::note(format_args!(
                "{}: the frames are acknowledged by marks in the journal; the place of the reader \
                 is not kept: {}",
                self.session.name(),
                error.root_cause()
            ));
        }
        Ok(())
    }

    fn save(&self, at: Timestamp) -> Result<()> {
        self.state.save(self.session, self.reader, at)
    }

    /// Appends the marks to the journal, under the lock of its writers. Returns where they begin
    /// and end.
    fn mark(&self, at: Timestamp) -> Result<Option<(u64, u64)>> {
        if self.new.is_empty() {
            return Ok(None);
        }
        let appended = marks::append(self.session, &self.new, at).with_context(|| {
            format!("{}: nothing is acknowledged", self.session.index_journal().display())
        })?;
        Ok(Some((appended.begin, appended.end)))
    }
}
