//! Stdout of the stage: its own errors are counted with those that come.

use std::{io, io::Write, sync::Arc};

use cht_core::{
    event::Event,
    ndjson::{self, Writer},
};

use crate::counters::Counters;

/// Writes lines, and counts errors.
#[derive(Debug)]
pub(crate) struct Output<W> {
    writer: Writer<W>,
    pub counters: Arc<Counters>,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(writer: Writer<W>) -> Self {
        Self { writer, counters: Arc::default() }
    }

    /// Writes an event of this stage.
    pub(crate) fn emit(&mut self, event: &Event) -> io::Result<()> {
        self.writer.emit(event)
    }

    /// Writes a line that came, unchanged.
    pub(crate) fn pass(&mut self, line: &[u8]) -> io::Result<()> {
        self.writer.pass(line)
    }

    /// Emits an `error` event, and prints the same to stderr.
    pub(crate) fn fail(
        &mut self,
        session: Option<&str>,
        code: &str,
        message: &str,
        path: Option<&str>,
    ) -> io::Result<()> {
        let event = ndjson::failure(session, code, message, path);
        self.counters.emitted(&event);
        self.writer.emit(&event)
    }
}
