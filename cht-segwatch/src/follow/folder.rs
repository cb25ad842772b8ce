//! A folder of another program that grows. It is listed when something has got a name in it, not when something is written.

use std::{
    collections::{HashSet, VecDeque},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result};
use cht_core::{
    clock,
    watch::{Change, Id, Watch},
};

use crate::{
    emit::Emitter,
    finished::{Settling, is_segment, segments_in},
};

/// Two changes of a folder within this time may leave it the same time stamp.
const SAME_STAMP: Duration = Duration::from_secs(1);

/// A folder that is followed.
pub(super) struct Folder {
    path: PathBuf,
    id: Id,
    settle: Duration,
    /// What is to be emitted, in natural order.
    waiting: VecDeque<PathBuf>,
    /// The last in natural order, emitted or not.
    newest: Option<PathBuf>,
    /// Segments that a writer closed or that were moved in.
    closed: HashSet<PathBuf>,
    settling: Settling,
    /// When the folder had changed last, at the last listing; unknown where another change may have the same time stamp.
    changed_at: Option<SystemTime>,
}

impl Folder {
    pub(super) fn open(path: &Path, settle: Duration, watch: &Watch) -> Result<Self> {
        let id = watch.add_names(path).with_context(|| path.display().to_string())?;
        Ok(Self {
            path: path.to_owned(),
            id,
            settle,
            waiting: VecDeque::new(),
            newest: None,
            closed: HashSet::new(),
            settling: Settling::default(),
            changed_at: None,
        })
    }

    /// Takes in what the system says of the folder.
    pub(super) fn notice(&mut self, change: &Change) {
        if change.lost || (change.id == self.id && change.named) {
            self.changed_at = None;
        }
        let path = self.path.join(&change.name);
        if change.id == self.id && change.finished && is_segment(&path) {
            self.closed.insert(path);
        }
    }

    /// Emits the files that are finished, up to the first that is not.
    pub(super) fn look(&mut self, emitter: &mut Emitter) -> Result<()> {
        let changed_at = self.path.metadata().and_then(|metadata| metadata.modified()).ok();
        if self.changed_at.is_none() || self.changed_at != changed_at {
            self.list(emitter, changed_at)?;
        }
        while let Some(path) = self.waiting.front() {
            let later = self.newest.as_ref().is_some_and(|newest| newest != path);
            if !later && !self.closed.contains(path) {
                let rests = self.settling.remaining(path, self.settle);
                if !rests.is_ok_and(|remaining| remaining.is_zero()) {
                    break;
                }
            }
            emitter.segment(path)?;
            self.closed.remove(path);
            self.waiting.pop_front();
        }
        Ok(())
    }

    fn list(&mut self, emitter: &Emitter, changed_at: Option<SystemTime>) -> Result<()> {
        let age = clock::age_of(&self.path).unwrap_or_default();
        self.changed_at = changed_at.filter(|_| age > SAME_STAMP);
        let segments = segments_in(&self.path)?;
        self.newest = segments.last().cloned();
        self.waiting = segments.into_iter().filter(|path| !emitter.knows(path)).collect();
        Ok(())
    }
}
