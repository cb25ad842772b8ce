//! One index: a journal that only grows, and the files made from it.
//!
//! The journal (`index.ndjson`) holds `frame` and `sent` events, and text, speech and sound. The
//! index is their sum. A writer holds a lock on the journal and first reads what others have
//! appended, so that any number of `cht-index` processes (the stage, and `--sent`) agree.
//! `index.json` is replaced by a rename: a reader sees the old one or the new one.

use std::{
    io, mem,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, Event, Reason},
    process::report,
    storage::{disk_error::may_pass, durable},
};
use rustix::io::Errno;
use serde_json::Map;

use crate::{
    args::Format,
    contents::{Change, Contents},
    entry::{self, Entry},
    lines::StoredLines,
    object, others,
    pace::Pace,
    snapshot::{Snapshot, Written},
    transcript,
};

/// Time after which the journal is looked at for lines of other programs.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// An index on disk.
#[derive(Debug)]
pub(crate) struct Index {
    contents: Contents,
    snapshot: Snapshot,
    /// Files made from speech, in a session.
    transcript: Option<transcript::Files>,
}

impl Index {
    /// Opens the index at `path`, creates its folder, and takes over edits. [`Index::commit`]
    /// brings `index.json` up to date.
    pub(crate) fn open(
        path: &Path,
        overwrite: bool,
        format: Option<Format>,
        now: Instant,
    ) -> Result<Self> {
        let contents = Contents::open(path)?;
        let snapshot = Snapshot::new(format.unwrap_or_else(|| object::format_of(path)), now);
        let folder = contents.session().map(|session| session.join("transcript"));
        let transcript = folder.map(|folder| transcript::Files::of(folder, now));
        let mut index = Self { contents, snapshot, transcript };
        index.locked(|index| {
            if overwrite {
                index.start_over()?;
            }
            let contents = &mut index.contents;
            contents.catch_up()?;
            if contents.frames.is_empty() && contents.position == 0 {
                contents.adopt(index.transcript.as_ref().map(transcript::Files::events))?;
                contents.append()?;
            }
            index.snapshot.begin(contents)?;
            contents.append()?;
            index.write_transcript(Some(now))
        })?;
        index.snapshot.pace = Pace::new(now);
        index.contents.added.clear();
        Ok(index)
    }

    fn start_over(&mut self) -> Result<()> {
        let path = &self.contents.path;
        self.contents.journal.cut(0)?;
        if path.exists() {
            durable::replace(path, b"[]\n")?;
        }
        durable::remove(&durable::swapped_out(path))?;
        self.transcript.as_mut().map_or(Ok(()), transcript::Files::remove)
    }

    /// Returns whether there is a frame with this id.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.contents.frames.get(id).is_some()
    }

    /// Adds an event with the text `line`; [`Index::commit`] makes it durable.
    pub(crate) fn add(&mut self, event: &Event, line: &[u8]) {
        match &event.body {
            Body::Frame(frame) => {
                let extra = entry::extra(line).unwrap_or_else(|error| {
                    let path = self.contents.path.display();
                    report::warn(format_args!(
                        "{path}: {}: fields that others added are not kept: {error}",
                        frame.id
                    ));
                    Map::new()
                });
                let (session, frame) = (event.session.clone(), frame.clone());
                self.contents.pending.push(Change::Frame(Box::new(Entry {
                    session,
                    frame,
                    extra,
                })));
            }
            Body::Sent(sent) if sent.is_of_agent() => self.mark(&sent.id),
            Body::Text(_) | Body::Transcript(_) | Body::Audio(_) => {
                self.contents.pending.push(Change::Other(others::line_of(event, line)));
            }
            Body::SegmentClosed(_) | Body::Segment(_) | Body::Deleted(_) => {
                self.contents.revision.others += 1;
            }
            _ => {}
        }
    }

    /// Marks a frame as sent.
    pub(crate) fn mark(&mut self, id: &str) {
        self.contents.pending.push(Change::Mark(id.to_owned()));
    }

    /// Makes additions durable in the journal, and writes the files made from it that are due.
    pub(crate) fn commit(&mut self, now: Instant) -> Result<()> {
        let is_idle = self.contents.pending.is_empty();
        if is_idle && !self.wait(now).is_zero() && !self.contents.has_grown()? {
            return Ok(());
        }
        self.locked(|index| {
            index.contents.catch_up()?;
            index.contents.append()?;
            index.write_transcript(Some(now))?;
            index.snapshot.keep_up(&mut index.contents, now)
        })
    }

    /// Returns the reasons of the frames that were added, and the `index.json` that were written,
    /// since the last call.
    pub(crate) fn take_progress(&mut self) -> (Vec<Reason>, Written) {
        (mem::take(&mut self.contents.added), mem::take(&mut self.snapshot.written))
    }

    /// Returns the time until there is something to write, or to look whether another program has
    /// appended a mark.
    pub(crate) fn wait(&mut self, now: Instant) -> Duration {
        let snapshot = self.snapshot.wait(&self.contents, now);
        let transcript = self.transcript.as_mut().and_then(|files| files.wait(now));
        snapshot.into_iter().chain(transcript).fold(LOOK_AGAIN, Duration::min)
    }

    /// Writes the files made from speech. `now` bounds their cost; without it, all is written.
    fn write_transcript(&mut self, now: Option<Instant>) -> Result<()> {
        let contents = &mut self.contents;
        let is_doubtful = std::mem::take(&mut contents.is_speech_doubtful);
        let Some(files) = &mut self.transcript else { return Ok(()) };
        if is_doubtful {
            files.forget();
        }
        let mut lines = StoredLines::of(contents.journal.file());
        match files.update(&contents.others.transcript, &mut lines, now) {
            Err(error) if refusal(&error).is_none_or(|error| !may_pass(&error)) => {
                report::warn(format_args!("{error:#}; the journal has the speech all the same"));
                self.transcript = None;
                Ok(())
            }
            done => done,
        }
    }

    /// Commits for the last time: takes over edits made since the last commit, and brings
    /// `index.json` up to date.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.locked(|index| {
            index.contents.catch_up()?;
            index.contents.append()?;
            index.write_transcript(None)?;
            index.snapshot.finish(&mut index.contents)
        })
    }

    /// Runs `action` while no other `cht-index` writes here.
    fn locked(&mut self, action: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let path = self.contents.path.clone();
        let named = || path.display().to_string();
        let lock = self.contents.lock().with_context(named)?;
        let done = action(self).with_context(named);
        lock.release().with_context(named)?;
        done
    }
}

/// Returns the system's error among the causes.
pub(crate) fn refusal(error: &anyhow::Error) -> Option<io::Error> {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        let of_io = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        of_io.or_else(|| cause.downcast_ref::<Errno>().map(|errno| errno.raw_os_error()))
    };
    error.chain().find_map(code).map(io::Error::from_raw_os_error)
}
