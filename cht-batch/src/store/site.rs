//! Where the result of a unit lies: in a folder of results, or in the session itself.

use std::path::{Path, PathBuf};

use super::record::Record;
use crate::plan::find::STATE;

/// Parts of a result, each a folder.
pub(crate) const PARTS: [&str; 2] = ["frames", "audio"];

/// Places of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    /// Folder of the result: that of the session where it is made in place.
    pub result: PathBuf,
    /// Folder of a result in the making.
    pub work: PathBuf,
    /// Folder of state: locks, units that failed.
    state: PathBuf,
    key: String,
    pub is_in_place: bool,
}

impl Site {
    /// Returns the places of the unit `key` in a folder of results.
    pub(crate) fn in_folder(root: &Path, key: &str) -> Self {
        Self::new(root.join(key), root.join(STATE), key, false)
    }

    /// Returns the places of a session whose result is made in it.
    pub(crate) fn in_session(session: &Path, key: &str) -> Self {
        Self::new(session.to_owned(), session.join(STATE), key, true)
    }

    fn new(result: PathBuf, state: PathBuf, key: &str, is_in_place: bool) -> Self {
        let work = state.join("work").join(key);
        Self { result, work, state, key: key.to_owned(), is_in_place }
    }

    /// Returns the path of the lock.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state.join("lock").join(&self.key)
    }

    /// Returns the path of the reason why the unit failed for good.
    pub(crate) fn failed(&self) -> PathBuf {
        self.state.join("failed").join(format!("{}.json", self.key))
    }

    /// Returns the path of the log.
    pub(crate) fn log(&self) -> PathBuf {
        self.state.join("log.ndjson")
    }

    /// Returns the folders that have to exist.
    pub(crate) fn folders(&self) -> [PathBuf; 3] {
        ["lock", "work", "failed"].map(|name| self.state.join(name))
    }

    /// Returns the record of the result; `None` if there is none, or none that can be read: then
    /// the unit is done again. A result that is made in place has one in each part.
    pub(crate) fn record(&self) -> Option<Record> {
        if !self.is_in_place {
            return Record::read(&self.result).ok().flatten();
        }
        let read = |part: &str| Record::read(&self.result.join(part)).ok().flatten();
        let [frames, audio] = PARTS.map(read);
        // The index lies next to the frames. Sound that it does not tell of may be of an older run.
        let frames = frames?;
        let is_of_one = |audio: Record| audio.fingerprint == frames.fingerprint;
        let is_whole = !frames.settings.makes(PARTS[1]) || audio.is_some_and(is_of_one);
        is_whole.then_some(frames)
    }
}
