//! Refuses sessions whose frames cannot be kept: each gets an `error` event, and the others go on.

use std::{collections::VecDeque, fmt, io};

use cht_core::session::SessionError;

/// Reports that the folder for the frames of a session cannot be used.
#[derive(Debug)]
pub(super) struct NoFolder(anyhow::Error);

impl NoFolder {
    /// Creates the error for an event that names a place that is no session.
    pub(super) fn foreign(error: SessionError) -> Self {
        Self(error.into())
    }

    /// Turns an error of the system into this error; other errors, such as frames made with other
    /// options, end the run.
    pub(super) fn or(error: anyhow::Error) -> anyhow::Error {
        if error.chain().any(<dyn std::error::Error>::is::<io::Error>) {
            Self(error).into()
        } else {
            error
        }
    }
}

impl fmt::Display for NoFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.0)
    }
}

impl std::error::Error for NoFolder {}

/// Sessions whose error was emitted.
pub(super) type Refused = VecDeque<String>;
