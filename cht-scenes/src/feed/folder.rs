//! Holds the folder of the frames being selected, and the segments that it knows.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use cht_core::session::{identity, segment_log::SegmentLog};

use crate::{
    feed::run::Running,
    select::{
        journal::{Checkpoint, FileId, key},
        selector::FrameSelector,
    },
};

/// Describes a folder of frames.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) work: Work,
    /// Device and inode of the folder, which may have several names.
    pub(super) place: Option<(u64, u64)>,
    /// Whether segments are known by their names.
    pub(super) by_name: bool,
    /// Segments done by an earlier run of the program, by key: size and file.
    pub(super) done_before: HashMap<String, (u64, Option<FileId>)>,
    /// Keys of segments by file: a file with several names is known by the first.
    pub(super) files: HashMap<FileId, String>,
    /// Segments handled by this run, by key, with their files if these count.
    pub(super) handled: HashMap<String, Option<FileId>>,
    /// Last segment handled, if an earlier run had done it.
    pub(super) replayed: Option<Checkpoint>,
    /// Number of the last segment handled; in the folder of a session, also by an earlier run.
    pub(super) last_seq: Option<u64>,
    /// End of the segment log, from the last segment of an earlier run on.
    pub(super) segment_log: Option<SegmentLog>,
    /// Whether the frames that an index next to them may lack were emitted again.
    pub(super) joined: bool,
}

/// Holds the selector of a folder.
#[derive(Debug)]
pub(super) enum Work {
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
        match &mut self.work {
            Work::Idle(selector) => Ok(selector),
            Work::Running(_) => bail!("the selector follows a decoder"),
            Work::Lost => bail!("the selector is gone"),
        }
    }

    /// Returns the selector for reading, where no decoder runs.
    pub(super) fn idle(&self) -> Option<&FrameSelector> {
        match &self.work {
            Work::Idle(selector) => Some(selector),
            Work::Running(_) | Work::Lost => None,
        }
    }

    /// Takes out the selector, where no decoder runs.
    pub(super) fn take_selector(&mut self) -> Result<Box<FrameSelector>> {
        self.selector()?;
        match std::mem::replace(&mut self.work, Work::Lost) {
            Work::Idle(selector) => Ok(selector),
            Work::Running(_) | Work::Lost => bail!("the selector is gone"),
        }
    }

    /// Returns the decoder that runs.
    pub(super) fn run(&self) -> Option<&Running> {
        match &self.work {
            Work::Running(run) => Some(run),
            Work::Idle(_) | Work::Lost => None,
        }
    }

    /// Returns the decoder that runs, to feed it.
    pub(super) fn run_mut(&mut self) -> Option<&mut Running> {
        match &mut self.work {
            Work::Running(run) => Some(run),
            Work::Idle(_) | Work::Lost => None,
        }
    }

    /// Takes out the decoder that runs; stopping it returns its selector.
    pub(super) fn take_run(&mut self) -> Option<Box<Running>> {
        match std::mem::replace(&mut self.work, Work::Lost) {
            Work::Running(run) => Some(run),
            work => {
                self.work = work;
                None
            }
        }
    }

    /// Returns whether `path` is another name of the folder.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.place.is_some() && self.place == identity(path)
    }

    /// Returns the key of a segment.
    pub(super) fn key<'a>(&self, path: &'a str) -> &'a str {
        key(path, self.by_name)
    }

    /// Returns the path that the segment in `file` is known by; `path` itself if the file is new.
    pub(super) fn name_of(&mut self, path: &str, file: Option<FileId>) -> String {
        let known = file.filter(|_| self.key(path) == path);
        let known = known.map(|file| self.files.entry(file).or_insert_with(|| path.to_owned()));
        // A file under another key is the same file; a file that has changed since is another one.
        known.map_or_else(|| path.to_owned(), |known| known.clone())
    }

    /// Returns whether an earlier run or this one has handled a segment.
    pub(super) fn knows(&self, path: &str) -> bool {
        let key = self.key(path);
        self.handled.contains_key(key) || self.done_before.contains_key(key)
    }
}
