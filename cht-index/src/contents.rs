//! The contents of an index: its journal, where that has which frame, and changes that it does not
//! have yet.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Event, Frame, Reason, Sent},
    process::report,
    session::Moved,
    storage::{
        durable,
        journal::{Journal, Lines, Skipped},
    },
};
use rustix::fs::FlockOperation;
use serde_json::{Map, Value};

use crate::{
    array::Elements,
    edits::Edits,
    entry::Entry,
    frames::{Frames, Span},
    lines::StoredLines,
    others::{OtherLine, Others},
    ours,
    stored::{Stored, read_line},
};

/// The journal, and its sum in memory.
#[derive(Debug)]
pub(crate) struct Contents {
    /// Path of `index.json`.
    pub path: PathBuf,
    pub journal: Journal,
    /// Offset up to which the journal was read.
    pub position: u64,
    pub frames: Frames,
    pub others: Others,
    /// Changes that the journal does not have yet.
    pub pending: Vec<Change>,
    /// Place of the index's session, which may have been moved.
    pub moved: Option<Moved>,
    pub revision: Revision,
    /// Reasons of the frames that were appended since somebody took them, each frame once.
    pub added: Vec<Reason>,
    /// Whether the files of speech may be another process's.
    pub is_speech_doubtful: bool,
}

/// State of the contents: it differs after each change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Revision {
    pub frames: u64,
    /// Of text, speech, sound and segments.
    pub others: u64,
    /// Of the journal as a whole: places in it from before mean nothing.
    pub restarts: u64,
}

/// A change of the index.
#[derive(Debug)]
pub(crate) enum Change {
    /// A frame of an event.
    Frame(Box<Entry>),
    /// Fields that another program added to a frame.
    Fields(String, Map<String, Value>),
    /// A frame was sent to an agent.
    Mark(String),
    /// An event that is no frame, as its line in the journal.
    Other(Vec<u8>),
}

impl Contents {
    /// Opens the journal of the index at `path`, which [`Self::catch_up`] reads.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let journal = ours::journal_of(path)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let journal = Journal::open(&journal).with_context(|| journal.display().to_string())?;
        Ok(Self {
            path: path.to_owned(),
            journal,
            position: 0,
            frames: Frames::default(),
            others: Others::default(),
            pending: Vec::new(),
            moved: path.parent().and_then(Moved::of_frames),
            revision: Revision::default(),
            added: Vec::new(),
            is_speech_doubtful: false,
        })
    }

    /// Returns the folder of the index's session.
    pub(crate) fn session(&self) -> Option<&Path> {
        self.path.parent().and_then(Path::parent).filter(|_| self.moved.is_some())
    }

    /// Returns whether another program has appended to the journal.
    pub(crate) fn has_grown(&self) -> io::Result<bool> {
        Ok(self.journal.file().metadata()?.len() != self.position)
    }

    /// Returns a lock that keeps other processes of cht-index from writing, until it is released.
    pub(crate) fn lock(&self) -> io::Result<Lock> {
        let file = self.journal.file().try_clone()?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok(Lock(file))
    }

    /// Forgets the journal, to read it once more from its beginning.
    fn forget(&mut self) {
        (self.frames, self.others, self.position) = (Frames::default(), Others::default(), 0);
        self.is_speech_doubtful = true;
        self.revision.restarts += 1;
    }

    /// Reads the new part of the journal.
    pub(crate) fn catch_up(&mut self) -> Result<()> {
        let length = self.journal.file().metadata()?.len();
        if length < self.position {
            // Another process has started it over.
            self.forget();
        }
        if length == self.position {
            return Ok(());
        }
        let (mut skipped, speech) = (Skipped::default(), self.others.transcript.len());
        let mut lines = self.journal.lines(self.position)?;
        while let Some(line) = lines.next()? {
            let span = Span::before(line.end, line.bytes.len());
            match read_line(line.bytes) {
                Ok(Stored::Frame(frame)) => {
                    self.frames.set(frame.kept(self.moved.as_mut()), span);
                    self.revision.frames += 1;
                }
                Ok(Stored::Mark(id)) => self.revision.frames += u64::from(self.frames.mark(&id)),
                Ok(Stored::Event(other)) => {
                    self.revision.others += u64::from(self.others.add(&other, span));
                }
                Ok(Stored::Other) => {}
                Err(error) => skipped.add(line.number, error),
            }
        }
        self.position = lines.end();
        skipped.warn(&self.path.with_extension("ndjson"));
        // The process that wrote it may have written the files of speech, too.
        self.is_speech_doubtful |= self.others.transcript.len() != speech;
        Ok(())
    }

    /// Appends the pending changes to the journal, durably. After an error, they are pending.
    pub(crate) fn append(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        let added = self.added.len();
        let appended = self.append_all(&pending);
        if appended.is_err() {
            self.added.truncate(added);
            // The frames in memory are ahead of the journal.
            self.forget();
            self.pending = pending;
        }
        appended
    }

    fn append_all(&mut self, changes: &[Change]) -> Result<()> {
        let mut batch = Vec::new();
        for change in changes {
            let line = match change {
                Change::Mark(id) => {
                    let sent = Sent { id: id.clone(), ..Sent::default() };
                    self.frames.mark(id).then(|| Event::new(None, sent).to_line())
                }
                Change::Frame(new) => {
                    let Entry { session, frame, extra } = &**new;
                    let is_added = self.frames.get(&frame.id).is_none();
                    self.added.extend(is_added.then_some(frame.reason));
                    self.changed(&batch, &frame.id, Some((session, frame)), extra)?
                }
                Change::Fields(id, extra) => self.changed(&batch, id, None, extra)?,
                Change::Other(line) => Some(line.clone()),
            };
            let Some(line) = line else { continue };
            let end = self.position + (batch.len() + line.len()) as u64;
            let span = Span::before(end, line.len() - 1);
            match read_line(line.trim_ascii_end()) {
                Ok(Stored::Frame(frame)) => self.frames.set(frame.kept(self.moved.as_mut()), span),
                Ok(Stored::Event(other)) if !self.others.add(&other, span) => continue,
                _ => {}
            }
            match change {
                Change::Other(_) => self.revision.others += 1,
                _ => self.revision.frames += 1,
            }
            batch.extend_from_slice(&line);
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.journal.append_durably(&batch)?;
        let end = self.position + batch.len() as u64;
        if self.journal.end() == end {
            self.position = end;
        } else {
            // Another program has written to it without the lock.
            self.forget();
            self.catch_up()?;
        }
        Ok(())
    }

    /// Returns the line of a frame that an event or an edit changes; `None` if nothing is new.
    fn changed(
        &mut self,
        batch: &[u8],
        id: &str,
        event: Option<(&Option<String>, &Frame)>,
        extra: &Map<String, Value>,
    ) -> Result<Option<Vec<u8>>> {
        let known = match self.frames.get(id).map(|item| item.line) {
            None => None,
            Some(span) if span.offset >= self.position => {
                let from = (span.offset - self.position) as usize;
                Entry::parse(&batch[from..from + span.length as usize])
            }
            Some(span) => Entry::parse(StoredLines::of(self.journal.file()).get(span)?),
        };
        let mut is_new = known.is_none();
        let mut entry = match (known, event) {
            (None, None) => return Ok(None),
            (Some(known), None) => known,
            (None, Some((session, frame))) => {
                Entry { session: session.clone(), frame: frame.clone(), extra: Map::new() }
            }
            (Some(mut known), Some((session, frame))) => {
                if let Some(moved) = &mut self.moved {
                    moved.mend(&mut known.session, &mut known.frame);
                }
                if known.frame != *frame {
                    is_new = true;
                    if known.frame.hash != frame.hash {
                        // Another picture of the same name: it was made anew.
                        known.extra.clear();
                    }
                    (known.session, known.frame) = (session.clone(), frame.clone());
                }
                known
            }
        };
        match entry.merge(extra.clone()) {
            Ok(changed) => is_new |= changed,
            Err(error) => report::warn(error),
        }
        Ok(is_new.then(|| entry.into_line()))
    }

    /// Takes up changes by an edit.
    pub(crate) fn take_up(&mut self, edits: Edits) {
        let fields = edits.fields.into_iter();
        self.pending.extend(fields.map(|(id, fields)| Change::Fields(id.to_string(), fields)));
        self.pending.extend(edits.marks.iter().map(|id| Change::Mark(id.to_string())));
    }

    /// Adds the frames of an index without a journal to a new one, and the events in the file
    /// `speech`.
    pub(crate) fn adopt(&mut self, speech: Option<&Path>) -> io::Result<()> {
        let Ok(file) = durable::open_to_read(&self.path) else { return Ok(()) };
        let mut elements = Elements::new(file);
        while let Some(element) = elements.next()? {
            if let Some((session, frame)) = ours::frame(element) {
                let extra = Map::new();
                self.pending.push(Change::Frame(Box::new(Entry { session, frame, extra })));
            }
        }
        if let Some(Ok(mut lines)) = speech.map(|path| Lines::open(path, 0)) {
            while let Some(line) = lines.next()? {
                if OtherLine::parse(line.bytes).is_some() {
                    self.pending.push(Change::Other([line.bytes, b"\n"].concat()));
                }
            }
        }
        Ok(())
    }
}

/// A lock on the journal.
#[derive(Debug)]
pub(crate) struct Lock(std::fs::File);

impl Lock {
    pub(crate) fn release(self) -> io::Result<()> {
        Ok(rustix::fs::flock(&self.0, FlockOperation::Unlock)?)
    }
}
