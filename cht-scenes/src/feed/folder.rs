//! Holds the folder of the frames being selected, and the segments that it knows.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use cht_core::{
    event::Segment,
    session::{identity, segment_log::SegmentLog},
};

use crate::{
    feed::run::Running,
    select::{
        journal::{Checkpoint, FileId, FrameJournal, key},
        selector::FrameSelector,
    },
};

/// Describes a folder of frames.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) state: SelectorState,
    /// Device and inode of the folder, which may have several names.
    pub(super) place: Option<(u64, u64)>,
    pub(super) known: KnownSegments,
    /// Last segment handled, if an earlier run had done it.
    pub(super) replayed: Option<Checkpoint>,
    /// Number of the last segment handled; in the folder of a session, also by an earlier run.
    pub(super) last_seq: Option<u64>,
    /// End of the segment log, from the last segment of an earlier run on.
    pub(super) segment_log: Option<SegmentLog>,
    /// Whether the frames that an index next to them may lack were emitted again.
    pub(super) joined: bool,
}

/// Holds the segments that are done or handled, by key.
#[derive(Debug)]
pub(super) struct KnownSegments {
    /// Whether the key of a segment is its name.
    pub(super) by_name: bool,
    /// Segments done by an earlier run of the program: size and file.
    done_before: HashMap<String, (u64, Option<FileId>)>,
    /// Keys of segments by file: a file with several names is known by the first.
    files: HashMap<FileId, String>,
    /// Segments handled by this run, with their files if these count.
    handled: HashMap<String, Option<FileId>>,
}

/// Describes a segment that this run begins to handle.
#[derive(Debug)]
pub(super) struct Begun {
    /// Path that it is known by.
    pub(super) name: String,
    /// Whether cht-recv recorded it into the session of the folder.
    pub(super) is_recorded: bool,
    /// Whether an earlier run of the program has done it.
    pub(super) was_done: bool,
}

/// Holds the selector of a folder.
#[derive(Debug)]
pub(super) enum SelectorState {
    /// No decoder runs.
    Idle(Box<FrameSelector>),
    /// The selector follows a decoder.
    Running(Box<Running>),
    /// The selector is lost, because its thread panicked or its decoder could not be started.
    Lost,
}

impl Folder {
    /// Returns the selector where no decoder runs.
    pub(super) fn selector(&mut self) -> Result<&mut FrameSelector> {
        match &mut self.state {
            SelectorState::Idle(selector) => Ok(selector),
            SelectorState::Running(_) => bail!("the selector follows a decoder"),
            SelectorState::Lost => bail!("the selector is gone"),
        }
    }

    /// Returns the selector for reading, where no decoder runs.
    pub(super) fn idle(&self) -> Option<&FrameSelector> {
        match &self.state {
            SelectorState::Idle(selector) => Some(selector),
            SelectorState::Running(_) | SelectorState::Lost => None,
        }
    }

    /// Takes out the selector, where no decoder runs.
    pub(super) fn take_selector(&mut self) -> Result<Box<FrameSelector>> {
        self.selector()?;
        match std::mem::replace(&mut self.state, SelectorState::Lost) {
            SelectorState::Idle(selector) => Ok(selector),
            SelectorState::Running(_) | SelectorState::Lost => bail!("the selector is gone"),
        }
    }

    /// Returns the decoder that runs.
    pub(super) fn run(&self) -> Option<&Running> {
        match &self.state {
            SelectorState::Running(run) => Some(run),
            SelectorState::Idle(_) | SelectorState::Lost => None,
        }
    }

    /// Returns the decoder that runs, to feed it.
    pub(super) fn run_mut(&mut self) -> Option<&mut Running> {
        match &mut self.state {
            SelectorState::Running(run) => Some(run),
            SelectorState::Idle(_) | SelectorState::Lost => None,
        }
    }

    /// Takes out the decoder that runs; stopping it returns its selector.
    pub(super) fn take_run(&mut self) -> Option<Box<Running>> {
        match std::mem::replace(&mut self.state, SelectorState::Lost) {
            SelectorState::Running(run) => Some(run),
            state => {
                self.state = state;
                None
            }
        }
    }

    /// Returns whether `path` is another name of the folder.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.place.is_some() && self.place == identity(path)
    }
}

impl KnownSegments {
    /// Returns the segments that the journal names.
    pub(super) fn of(journal: &FrameJournal) -> Self {
        Self {
            by_name: journal.by_name(),
            done_before: journal.done_before(),
            files: journal.files(),
            handled: HashMap::new(),
        }
    }

    /// Returns the key of a segment.
    pub(super) fn key<'a>(&self, path: &'a str) -> &'a str {
        key(path, self.by_name)
    }

    /// Notes that this run handles `segment`; `None` if it has done so already.
    pub(super) fn begin(&mut self, segment: &Segment) -> Option<Begun> {
        let file = FileId::at(&segment.path);
        let name = self.name_of(&segment.path, file);
        let key = self.key(&name);
        let is_recorded = self.by_name && key != segment.path;
        // The segment log identifies a recorded segment; any other file may have been rewritten.
        let file = file.filter(|_| !is_recorded);
        let is_same = |known: &Option<FileId>| {
            known.zip(file).is_none_or(|(known, file)| known.is_written_as(&file))
        };
        if self.handled.get(key).is_some_and(is_same) {
            return None;
        }
        let was_done = self
            .done_before
            .get(key)
            .is_some_and(|(bytes, known)| *bytes == segment.bytes && is_same(known));
        self.handled.insert(key.to_owned(), file);
        Some(Begun { name, is_recorded, was_done })
    }

    /// Returns the path that the segment in `file` is known by; `path` itself if the file is new.
    fn name_of(&mut self, path: &str, file: Option<FileId>) -> String {
        let known = file.filter(|_| self.key(path) == path);
        let known = known.map(|file| self.files.entry(file).or_insert_with(|| path.to_owned()));
        // A file under another key is the same file; a file that has changed since is another one.
        known.map_or_else(|| path.to_owned(), |known| known.clone())
    }

    /// Returns whether an earlier run or this one has handled a segment.
    pub(super) fn contains(&self, path: &str) -> bool {
        let key = self.key(path);
        self.handled.contains_key(key) || self.done_before.contains_key(key)
    }

    /// Notes that this run has handled the segment at `path`, which is `file` if that counts.
    pub(super) fn handle(&mut self, path: &str, file: Option<FileId>) {
        self.handled.insert(self.key(path).to_owned(), file);
    }

    /// Forgets that this run has handled the segment at `path`.
    pub(super) fn forget(&mut self, path: &str) {
        let key = key(path, self.by_name);
        self.handled.remove(key);
    }
}
