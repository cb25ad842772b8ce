//! The folder of the frames that are selected at present, and the segments that it knows.

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

/// A folder of frames.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    pub(super) work: Work,
    /// Its device and inode: a folder may have several names.
    pub(super) place: Option<(u64, u64)>,
    /// Whether segments are known by their names.
    pub(super) by_name: bool,
    /// Segments done by an earlier run of the program by their keys, with their sizes, and which files they were.
    pub(super) done_before: HashMap<String, (u64, Option<FileId>)>,
    /// The keys of segments by their files: one that has several names is known by the first.
    pub(super) files: HashMap<FileId, String>,
    /// Segments that were dealt with by this one, by their keys, and which files they were, if that counts.
    pub(super) handled: HashMap<String, Option<FileId>>,
    /// The segment dealt with last, if an earlier run had done it.
    pub(super) replayed: Option<Checkpoint>,
    /// The number of the last of them; in the folder of a session also of an earlier run.
    pub(super) last_seq: Option<u64>,
    /// The end of the session's record, from where an earlier run has come to.
    pub(super) record: Option<SegmentLog>,
    /// What an index next to the frames may lack was emitted again.
    pub(super) joined: bool,
}

/// The selector of a folder.
#[derive(Debug)]
pub(super) enum Work {
    /// No decoder runs.
    Idle(Box<FrameSelector>),
    /// It follows a decoder.
    Running(Box<Running>),
    /// It is gone with a thread that has panicked, or with a decoder that could not be started.
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

    /// Returns the selector to look at, where no decoder runs.
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

    /// Takes out the decoder that runs; its selector comes back with its end.
    pub(super) fn take_run(&mut self) -> Option<Box<Running>> {
        match std::mem::replace(&mut self.work, Work::Lost) {
            Work::Running(run) => Some(run),
            work => {
                self.work = work;
                None
            }
        }
    }

    /// Whether `path` is another name of it.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.place.is_some() && self.place == identity(path)
    }

    /// What a segment is known by.
    pub(super) fn key<'a>(&self, path: &'a str) -> &'a str {
        key(path, self.by_name)
    }

    /// Returns the path that a segment is known by, which is this `file`; its own if that comes for the first time.
    pub(super) fn name_of(&mut self, path: &str, file: Option<FileId>) -> String {
        let known = file.filter(|_| self.key(path) == path);
        let known = known.map(|file| self.files.entry(file).or_insert_with(|| path.to_owned()));
        // What has another key by now is the same file, and what has changed since is another one.
        known.map_or_else(|| path.to_owned(), |known| known.clone())
    }

    /// Whether an earlier run or this one has dealt with a segment.
    pub(super) fn knows(&self, path: &str) -> bool {
        let key = self.key(path);
        self.handled.contains_key(key) || self.done_before.contains_key(key)
    }
}
