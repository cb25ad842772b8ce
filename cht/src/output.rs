//! Text for people on stdout. A reader that closes it early is no failure.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Context as _, Result};
use cht_core::process::verbosity;

/// Prints a text.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("stdout"),
    }
}

/// Tells whether people read the messages.
pub(crate) fn is_for_people() -> bool {
    io::stderr().is_terminal()
}

/// Returns the option by which the stages are told how much to say, if one was given.
pub(crate) fn verbosity() -> Option<&'static str> {
    if verbosity::is_quiet() {
        Some("--quiet")
    } else {
        verbosity::is_verbose().then_some("--verbose")
    }
}
