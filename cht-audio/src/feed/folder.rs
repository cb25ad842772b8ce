//! Holds the folder of the pieces being cut, and the segments that it knows.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use cht_core::session::{identity, segment_log::SegmentLog};

use super::run::Run;
use crate::piece::writer::Writer;

/// Describes a folder of pieces.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    /// Device and inode of the folder, which may have several names.
    pub(super) place: Option<(u64, u64)>,
    pub(super) by_name: bool,
    /// Writes pieces where no decoder runs; otherwise the run has it.
    pub(super) writer: Option<Writer>,
    pub(super) run: Option<Run>,
    /// Keys of segments that this run of the program has handled, with their sizes.
    pub(super) handled: HashMap<String, u64>,
    /// Keys of the segments that were done when the folder was entered.
    pub(super) done: HashSet<String>,
    /// Number of the last segment handled; in the folder of a session, also by an earlier run.
    pub(super) last_seq: Option<u64>,
    /// End of the segment log, from the last segment of an earlier run on.
    pub(super) segment_log: Option<SegmentLog>,
    /// Whether the last pieces were emitted again.
    pub(super) joined: bool,
}

impl Folder {
    /// Returns whether `path` is another name of the folder.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.place.is_some() && self.place == identity(path)
    }
}
