//! A disk that refuses what the stage writes: the stage says so, waits, and goes on.
//!
//! Meanwhile the decoder waits too: its output is not read, and no limit of time runs.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use cht_core::{
    process::report,
    storage::patience::{Patience, Turn},
};

use crate::output::Output;

/// Writes with patience; clones are of one disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    output: Output,
    patience: Arc<Mutex<Patience>>,
    /// The session that is written for.
    session: Arc<Mutex<Option<String>>>,
}

impl Disk {
    pub(crate) fn new(output: &Output) -> Self {
        Self { output: output.clone(), patience: Arc::default(), session: Arc::default() }
    }

    /// What follows is written for `session`.
    pub(crate) fn enter(&self, session: Option<&str>) {
        let mut known = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        *known = session.map(str::to_owned);
    }

    /// Does `attempt`, which writes `path`, until the disk does not refuse it.
    pub(crate) fn insist<T>(
        &self,
        path: &Path,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let done = patience.insist(attempt, |turn| self.tell(path, &turn));
        done.with_context(|| path.display().to_string())
    }

    /// Does the same for what the stage begins with: a disk that stays read-only is an error.
    pub(crate) fn insist_at_start<T>(
        &self,
        path: &Path,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        let mut patience = self.patience.lock().unwrap_or_else(PoisonError::into_inner);
        let done = patience.insist_at_start(attempt, |turn| self.tell(path, &turn));
        done.with_context(|| path.display().to_string())
    }

    fn tell(&self, path: &Path, turn: &Turn<'_>) {
        let Turn::Refuses(error) = turn else {
            report::note(format_args!("{}: the disk serves again; it goes on", path.display()));
            return;
        };
        let message = format!(
            "{}: {error}; it waits until the disk serves again (remove something, or stop it)",
            path.display()
        );
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        // A stdout that fails ends the stage elsewhere.
        let _ = self.output.fail(session.as_deref(), "disk", &message, path.to_str());
    }
}
