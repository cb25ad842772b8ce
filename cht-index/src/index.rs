//! One index: a journal that only grows, and `index.json` made from it.
//!
//! The journal (`index.ndjson`) holds `frame` and `sent` events. The index is their sum. A writer
//! holds a lock on the journal and first reads what others have appended, so that any number of
//! `cht-index` processes (the stage, and `--sent`) agree. `index.json` is replaced by a rename: a
//! reader sees the old one or the new one.
//!
//! Edits of `index.json` by other programs are taken over: marks (`sent_to_agent`), and fields of
//! their own. The text is read before the file is replaced, and once more from the file that was
//! swapped out, which contains an edit made in between. A file that a killed writer had swapped out
//! is read by the next one before it is overwritten. Its bytes tell whether a file is our own;
//! inode, size and time may all be the same.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::{Body, Event},
    process::report,
    session::Moved,
    storage::{
        durable,
        journal::{Journal, Skipped},
    },
};
use rustix::fs::FlockOperation;
use serde_json::Map;

use crate::{
    array::Elements,
    entry,
    frames::{self, Changes, Frames},
    ours::{self, LARGEST},
};

/// Number of edits that are not JSON and are kept next to an index.
const KEPT: u32 = 9;

/// An index on disk.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    journal: Journal,
    /// Offset up to which the journal was read.
    position: u64,
    frames: Frames,
    /// Lines to append.
    pending: Vec<u8>,
    /// Whether `index.json` is older than the journal: the disk refused.
    behind: bool,
    /// Text of `index.json` as last written or read.
    known: Vec<u8>,
    /// Place of the index's session, which may have been moved.
    moved: Option<Moved>,
}

/// Completeness of an edit's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    /// Every element was read.
    Whole,
    /// It is not a JSON array, or ends within one.
    Broken,
}

impl Index {
    /// Opens the index at `path`, creates its folder, and brings `index.json` up to date.
    pub(crate) fn open(path: &Path, overwrite: bool) -> Result<Self> {
        let named = || path.display().to_string();
        let journal = ours::journal_of(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let journal = Journal::open(&journal).with_context(|| journal.display().to_string())?;
        let mut index = Self {
            path: path.to_owned(),
            journal,
            position: 0,
            frames: Frames::default(),
            pending: Vec::new(),
            behind: false,
            known: Vec::new(),
            moved: path.parent().and_then(Moved::of_frames),
        };
        index.locked(|index| {
            if overwrite {
                index.journal.cut(0)?;
                if path.exists() {
                    durable::replace(path, b"[]\n").with_context(named)?;
                }
                durable::remove(&durable::swapped_out(path)).with_context(named)?;
            }
            index.write()
        })?;
        Ok(index)
    }

    /// Returns whether there is a frame with this id.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.frames.contains(id)
    }

    /// Adds an event with the text `line`; [`Index::commit`] makes it durable.
    pub(crate) fn add(&mut self, event: &Event, line: &[u8]) {
        match &event.body {
            Body::Frame(frame) => {
                let extra = entry::extra(line).unwrap_or_else(|error| {
                    let path = self.path.display();
                    report::warn(format_args!(
                        "{path}: {}: fields that others added are not kept: {error}",
                        frame.id
                    ));
                    Map::new()
                });
                if self.frames.take(event.session.clone(), frame.clone(), extra) {
                    self.frames.write_line(&frame.id, &mut self.pending);
                }
            }
            Body::Sent(sent) if sent.is_of_agent() => self.mark(&sent.id),
            _ => {}
        }
    }

    /// Marks a frame as sent.
    pub(crate) fn mark(&mut self, id: &str) {
        if self.frames.mark(id) {
            self.pending.extend(frames::line_of_mark(id));
        }
    }

    /// Makes additions durable, in the journal and in `index.json`.
    pub(crate) fn commit(&mut self) -> Result<()> {
        if self.pending.is_empty() && !self.behind { Ok(()) } else { self.locked(Self::write) }
    }

    /// Commits for the last time, and takes over edits made since the last commit.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.locked(|index| {
            let is_ours = durable::read(&index.path, LARGEST).is_ok_and(|text| text == index.known);
            if is_ours && index.pending.is_empty() && !index.behind {
                Ok(())
            } else {
                index.write()
            }
        })
    }

    /// Runs `action` while no other `cht-index` writes here.
    fn locked(&mut self, action: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let path = self.path.clone();
        let named = || path.display().to_string();
        let lock = self.journal.file().try_clone().with_context(named)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).with_context(named)?;
        let done = action(self).with_context(named);
        rustix::fs::flock(&lock, FlockOperation::Unlock).with_context(named)?;
        done
    }

    fn write(&mut self) -> Result<()> {
        self.behind = true;
        self.read_journal()?;
        self.take_over_leftover();
        let on_disk = durable::read(&self.path, LARGEST).ok();
        if self.frames.is_empty() && self.position == 0 {
            self.adopt(on_disk.as_deref().unwrap_or_default());
        }
        let mut edit = Edit::Whole;
        if let Some(text) = &on_disk {
            edit = self.take_over(text);
            self.known.clone_from(text);
        }
        loop {
            if !self.pending.is_empty() {
                self.journal.append_durably(&self.pending)?;
                self.position = self.journal.end();
                self.pending.clear();
            }
            let json = self.frames.json()?;
            if self.known == json && on_disk.as_ref() == Some(&json) {
                break;
            }
            match durable::swap(&self.path, &json, LARGEST)? {
                None => edit = Edit::Whole,
                Some(Ok(text)) if text == self.known => {}
                Some(Ok(text)) => edit = self.take_over(&text),
                Some(Err(error)) => {
                    report::warn(format_args!("{}: {error}", self.path.display()));
                    edit = Edit::Broken;
                }
            }
            if edit == Edit::Broken {
                self.keep_aside()?;
                edit = Edit::Whole;
            }
            self.known = json;
            if self.pending.is_empty() {
                break;
            }
        }
        durable::remove(&durable::swapped_out(&self.path))?;
        self.behind = false;
        Ok(())
    }

    /// Reads the new part of the journal.
    fn read_journal(&mut self) -> Result<()> {
        let mut skipped = Skipped::default();
        let mut lines = self.journal.lines(self.position)?;
        while let Some(line) = lines.next()? {
            match Event::parse(line.bytes) {
                Ok(Some(Event { mut session, body: Body::Frame(mut frame) })) => {
                    let extra = entry::extra(line.bytes).unwrap_or_default();
                    if let Some(moved) = &mut self.moved {
                        moved.mend(&mut session, &mut frame);
                    }
                    self.frames.take(session, frame, extra);
                }
                Ok(Some(Event { body: Body::Sent(sent), .. })) if sent.is_of_agent() => {
                    self.frames.mark(&sent.id);
                }
                Ok(_) => {}
                Err(error) => skipped.add(line.number, error),
            }
        }
        self.position = lines.end();
        skipped.warn(&self.path.with_extension("ndjson"));
        Ok(())
    }

    /// Takes over the file that a killed writer had swapped out and may not have read. It may also
    /// be an unfinished new one, or an old one, so it changes no existing field.
    fn take_over_leftover(&mut self) {
        let leftover = durable::read(&durable::swapped_out(&self.path), LARGEST);
        let mut changes = Changes::default();
        for element in Elements::new(&leftover.unwrap_or_default()) {
            let _ = self.frames.take_over(element, false, &mut changes);
        }
        self.frames.write_changes(&changes, &mut self.pending);
    }

    /// Adds the frames of an index without a journal to a new one.
    fn adopt(&mut self, text: &[u8]) {
        for (session, frame) in Elements::new(text).filter_map(ours::frame) {
            let id = frame.id.clone();
            if self.frames.take(session, frame, Map::new()) {
                self.frames.write_line(&id, &mut self.pending);
            }
        }
    }

    /// Takes over the edits in `text`, which was read from `index.json`.
    fn take_over(&mut self, text: &[u8]) -> Edit {
        if text == self.known {
            return Edit::Whole;
        }
        let (mut refused, mut first) = (0_u64, None);
        let (mut elements, mut changes) = (Elements::new(text), Changes::default());
        for (number, element) in (1..).zip(elements.by_ref()) {
            if let Err(error) = self.frames.take_over(element, true, &mut changes) {
                refused += 1;
                first.get_or_insert_with(|| format!("element {number}: {error}"));
            }
        }
        self.frames.write_changes(&changes, &mut self.pending);
        let path = self.path.display();
        if let Some(first) = first {
            report::warn(format_args!("{path}: {refused} edits are not taken over; {first}"));
        }
        if elements.is_whole() { Edit::Whole } else { Edit::Broken }
    }

    /// Renames a swapped-out file that could not be read to its end: an edit is never thrown away.
    fn keep_aside(&self) -> Result<()> {
        let swapped_out = durable::swapped_out(&self.path);
        for n in 1..=KEPT {
            let kept = durable::with_suffix(&self.path, &format!(".broken{n}"));
            match durable::rename_new(&swapped_out, &kept) {
                Ok(()) => {
                    report::warn(format_args!(
                        "{}: no JSON array; its whole elements were taken over, and it is kept as {}",
                        self.path.display(),
                        kept.display()
                    ));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        report::warn(format_args!(
            "{}: no JSON array; its whole elements were taken over, and it is not kept: there are {KEPT} already",
            self.path.display()
        ));
        Ok(())
    }
}
