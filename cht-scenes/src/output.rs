//! Shares standard output between the thread that passes events on and the threads that emit them.

use std::{
    fs::File,
    sync::{Arc, Mutex, MutexGuard},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::Event,
    ndjson::{self, Writer},
    process::lock::lock,
};

/// Standard output; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Output(Arc<Mutex<Writer<File>>>);

impl Output {
    /// Opens standard output.
    pub(crate) fn open() -> Result<Self> {
        Ok(Self(Arc::new(Mutex::new(ndjson::stdout()?))))
    }

    /// Locks it, to keep lines together.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Writer<File>> {
        lock(&self.0)
    }

    /// Emits an event.
    pub(crate) fn emit(&self, event: &Event) -> Result<()> {
        self.lock().emit(event).context("stdout")
    }

    /// Emits an `error` event, and prints a warning ([`Writer::fail`]).
    pub(crate) fn fail(
        &self,
        session: Option<&str>,
        code: &str,
        message: &str,
        path: Option<&str>,
    ) -> Result<()> {
        self.lock().fail(session, code, message, path).context("stdout")
    }
}
