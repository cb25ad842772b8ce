//! An input that cannot be used.

use std::{io, path::Path};

use cht_core::event::{self, Event, Failure};
use cht_core::process::report;

/// An input that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Code of the `error` event.
    pub code: &'static str,
    /// Sentence for people, which names the input.
    pub message: String,
    pub path: Option<String>,
}

impl Bad {
    pub(crate) fn new(code: &'static str, path: &Path, message: impl std::fmt::Display) -> Self {
        let message = format!("{}: {message}", path.display());
        Self { code, message, path: event::absolute(path).ok() }
    }

    /// Returns the fault of a file that does not lie in the folder of the recordings.
    pub(crate) fn outside(path: &Path) -> Self {
        Self::new("unreadable", path, "not below the folder --root; left out")
    }

    /// Returns the fault of a file that the system refuses.
    pub(crate) fn of_io(code: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::new(code, path, format_args!("{error}; left out"))
    }

    /// Returns its `error` event.
    pub(crate) fn event(&self) -> Event {
        let failure = Failure {
            stage: report::stage().to_owned(),
            code: self.code.to_owned(),
            message: self.message.clone(),
            path: self.path.clone(),
        };
        Event::new(None, failure)
    }
}
