//! Shares standard output between the thread that passes events on and the threads that emit them.

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::{
    event::Event,
    ndjson::{self, Writer},
    process::lock::lock,
    terminal::Rows,
};

/// Standard output cannot be written to.
#[derive(Debug, thiserror::Error)]
#[error("stdout")]
pub struct Stdout(#[from] io::Error);

/// Standard output; clones share it.
#[derive(Debug, Clone)]
pub struct Output(Arc<Mutex<Writer<File>>>);

impl Output {
    /// Opens standard output, for frames, sound and words at a terminal.
    pub fn open() -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(ndjson::stdout_of_stage(Rows::Findings)?))))
    }

    /// Locks it, to keep lines together.
    pub fn lock(&self) -> MutexGuard<'_, Writer<File>> {
        lock(&self.0)
    }

    /// Emits an event.
    pub fn emit(&self, event: &Event) -> Result<(), Stdout> {
        Ok(self.lock().emit(event)?)
    }

    /// Emits an `error` event, and prints a warning ([`Writer::fail`]).
    pub fn fail(
        &self,
        session: Option<&str>,
        code: &str,
        message: &str,
        path: Option<&str>,
    ) -> Result<(), Stdout> {
        Ok(self.lock().fail(session, code, message, path)?)
    }
}
