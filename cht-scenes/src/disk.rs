//! Waits for a disk that refuses writes: the stage reports it, retries, and goes on.
//!
//! Meanwhile the decoder waits too: its output is not read, and no timeout runs.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex},
};

use anyhow::{Context as _, Result};
use cht_core::{
    process::{lock::lock, report},
    storage::patience::{Patience, Turn},
};

use crate::output::Output;

/// Writer that retries; clones share their state.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    output: Output,
    patience: Arc<Mutex<Patience>>,
    /// Session that the writes belong to.
    session: Arc<Mutex<Option<String>>>,
}

impl Disk {
    /// Reports to `output`.
    pub(crate) fn new(output: &Output) -> Self {
        Self { output: output.clone(), patience: Arc::default(), session: Arc::default() }
    }

    /// Sets the session of the writes that follow.
    pub(crate) fn enter(&self, session: Option<&str>) {
        let mut known = lock(&self.session);
        *known = session.map(str::to_owned);
    }

    /// Repeats `attempt`, which writes `path`, until the disk accepts it.
    pub(crate) fn insist<T>(
        &self,
        path: &Path,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        let mut patience = lock(&self.patience);
        let done = patience.insist(attempt, |turn| self.tell(path, &turn));
        done.with_context(|| path.display().to_string())
    }

    /// Does the same at the start of the stage, where a disk that stays read-only is an error.
    pub(crate) fn insist_at_start<T>(
        &self,
        path: &Path,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> Result<T> {
        let mut patience = lock(&self.patience);
        let done = patience.insist_at_start(attempt, |turn| self.tell(path, &turn));
        done.with_context(|| path.display().to_string())
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
