//! Waits for a disk that refuses writes: the stage reports it, retries, and goes on.
//!
//! Meanwhile the decoder waits too: its output is not read, and no timeout runs.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::Output;
use crate::{
    process::{lock::lock, report},
    storage::patience::{Patience, Turn},
};

/// A write that failed for another reason, or that the disk refused for too long.
#[derive(Debug, thiserror::Error)]
#[error("{path}")]
pub struct Refused {
    path: PathBuf,
    #[source]
    error: io::Error,
}

/// Writer that retries; clones share their state.
#[derive(Debug, Clone)]
pub struct Disk {
    output: Output,
    patience: Arc<Mutex<Patience>>,
    /// Session that the writes belong to.
    session: Arc<Mutex<Option<String>>>,
}

impl Disk {
    /// Reports to `output`.
    #[must_use]
    pub fn new(output: &Output) -> Self {
        Self { output: output.clone(), patience: Arc::default(), session: Arc::default() }
    }

    /// Sets the session of the writes that follow.
    pub fn enter(&self, session: Option<&str>) {
        let mut known = lock(&self.session);
        *known = session.map(str::to_owned);
    }

    /// Repeats `attempt`, which writes `path`, until the disk accepts it.
    pub fn insist<T>(
        &self,
        path: &Path,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> Result<T, Refused> {
        let mut patience = lock(&self.patience);
        let done = patience.insist(attempt, |turn| self.tell(path, &turn));
        done.map_err(|error| Refused { path: path.to_owned(), error })
    }

    /// Does the same at the start of the stage, where a disk that stays read-only is an error.
    pub fn insist_at_start<T>(
        &self,
        path: &Path,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> Result<T, Refused> {
        let mut patience = lock(&self.patience);
        let done = patience.insist_at_start(attempt, |turn| self.tell(path, &turn));
        done.map_err(|error| Refused { path: path.to_owned(), error })
    }

    /// Reports that the disk refuses, or accepts writes again.
    fn tell(&self, path: &Path, turn: &Turn<'_>) {
        let Turn::Refuses(error) = turn else {
            report::note(format_args!("{}: the disk serves again; it goes on", path.display()));
            return;
        };
        let message = format!(
            "{}: {error}; it waits until the disk serves again (remove something, or stop it)",
            path.display()
        );
        let session = lock(&self.session);
        // An error of stdout ends the stage elsewhere.
        let _ = self.output.fail(session.as_deref(), "disk", &message, path.to_str());
    }
}
