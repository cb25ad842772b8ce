//! Shares the state of the thread that reads stdin with the feeder.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, atomic::AtomicBool},
};

use crate::{process::lock::lock, session::live_segment::finished_path};

/// Holds the announced segments and the end of stdin.
#[derive(Debug, Default)]
pub struct Upstream {
    /// Whether stdin has ended; unfinished segments will then not be announced any more.
    pub ended: AtomicBool,
    /// Segments that began to grow, by their final path, and whether they were announced as
    /// finished. A handled segment is removed.
    begun: Mutex<HashMap<String, bool>>,
}

impl Upstream {
    /// Notes that a segment grows at `part`.
    pub fn begin(&self, part: &str) {
        let path = finished_path(Path::new(part)).to_string_lossy().into_owned();
        self.begun().insert(path, false);
    }

    /// Notes that a segment was announced as finished.
    pub fn finish(&self, path: &str) {
        if let Some(is_finished) = self.begun().get_mut(path) {
            *is_finished = true;
        }
    }

    /// Returns the announced segments, to change them.
    pub fn begun(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        lock(&self.begun)
    }
}
