//! One index: a journal that only grows, and `index.json` made from it.
//!
//! The journal (`index.ndjson`) holds `frame` and `sent` events. The index is what they add up to. Whoever
//! writes holds a lock on the journal and reads first what others appended, so that any number of
//! `cht-index` processes (the stage, a `--sent` beside it) agree. `index.json` is replaced by a rename: a
//! reader sees the old one or the new one.
//!
//! A program that edits `index.json` is heard as well: marks (`sent_to_agent`), and fields of its own. Its text is read
//! before the file is replaced, and once more from the file that was swapped out: an edit made in between is in there. A
//! file that a killed writer had swapped out is heard by the next one, before it is overwritten. Whether a file is our own
//! is told by its bytes; inode, size and time may all be the same.

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

/// Files with an edit that is no JSON that are kept next to an index.
const KEPT: u32 = 9;

/// An index on disk.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    journal: Journal,
    /// How far the journal was read, in bytes.
    position: u64,
    frames: Frames,
    /// Lines to be appended.
    pending: Vec<u8>,
    /// `index.json` was not written since something changed: the disk refused.
    behind: bool,
    /// `index.json` as it was written or heard last.
    known: Vec<u8>,
    /// Where the session lies whose index it is: it may have been moved.
    moved: Option<Moved>,
}

/// How the text of an edit differs from what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// Every element was read.
    Whole,
    /// It is no JSON array, or ends within one.
    Broken,
}

impl Index {
    /// Opens the index at `path`, making its folder, and brings `index.json` up to date.
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

    /// Whether a frame of this id is there.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.frames.contains(id)
    }

    /// Takes an event in, of which `line` is the text; [`Index::commit`] makes it durable.
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
            Body::Sent(sent) => self.mark(&sent.id),
            _ => {}
        }
    }

    /// Marks a frame as sent.
    pub(crate) fn mark(&mut self, id: &str) {
        if self.frames.mark(id) {
            self.pending.extend(frames::line_of_mark(id));
        }
    }

    /// Makes what was added durable, in the journal and in `index.json`.
    pub(crate) fn commit(&mut self) -> Result<()> {
        if self.pending.is_empty() && !self.behind { Ok(()) } else { self.locked(Self::write) }
    }

    /// The last commit: what another program has set since the one before is heard, too.
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

    /// Does something while no other `cht-index` writes here.
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
        self.hear_leftover();
        let on_disk = durable::read(&self.path, LARGEST).ok();
        if self.frames.is_empty() && self.position == 0 {
            self.adopt(on_disk.as_deref().unwrap_or_default());
        }
        let mut heard = Heard::Whole;
        if let Some(text) = &on_disk {
            heard = self.hear(text);
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
                None => heard = Heard::Whole,
                Some(Ok(text)) if text == self.known => {}
                Some(Ok(text)) => heard = self.hear(&text),
                Some(Err(error)) => {
                    report::warn(format_args!("{}: {error}", self.path.display()));
                    heard = Heard::Broken;
                }
            }
            if heard == Heard::Broken {
                self.keep_aside()?;
                heard = Heard::Whole;
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

    /// Reads what is new in the journal.
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
                Ok(Some(Event { body: Body::Sent(sent), .. })) => {
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

    /// Hears the file that a killed writer had swapped out, and that it may not have taken in. It may also be a new one
    /// that was not finished, or an old one: so it changes no field that is there.
    fn hear_leftover(&mut self) {
        let leftover = durable::read(&durable::swapped_out(&self.path), LARGEST);
        let mut changes = Changes::default();
        for element in Elements::new(&leftover.unwrap_or_default()) {
            let _ = self.frames.hear(element, false, &mut changes);
        }
        self.frames.write_changes(&changes, &mut self.pending);
    }

    /// Takes the frames of an index whose journal was lost into a new one.
    fn adopt(&mut self, text: &[u8]) {
        for (session, frame) in Elements::new(text).filter_map(ours::frame) {
            let id = frame.id.clone();
            if self.frames.take(session, frame, Map::new()) {
                self.frames.write_line(&id, &mut self.pending);
            }
        }
    }

    /// Takes over what another program has set in `index.json`, of which this is the text.
    fn hear(&mut self, text: &[u8]) -> Heard {
        if text == self.known {
            return Heard::Whole;
        }
        let (mut unheard, mut first) = (0_u64, None);
        let (mut elements, mut changes) = (Elements::new(text), Changes::default());
        for (number, element) in (1..).zip(elements.by_ref()) {
            if let Err(error) = self.frames.hear(element, true, &mut changes) {
                unheard += 1;
                first.get_or_insert_with(|| format!("element {number}: {error}"));
            }
        }
        self.frames.write_changes(&changes, &mut self.pending);
        let path = self.path.display();
        if let Some(first) = first {
            report::warn(format_args!("{path}: {unheard} edits are not taken over; {first}"));
        }
        if elements.is_whole() { Heard::Whole } else { Heard::Broken }
    }

    /// Gives a swapped-out file that could not be read to its end a name of its own: an edit is not thrown away.
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
