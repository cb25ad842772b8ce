//! Sessions that events name and whose frames cannot be kept: an `error` event, and the rest goes on.

use std::{collections::VecDeque, fmt, io};

use cht_core::session::SessionError;

/// The folder for the frames of a session cannot be used.
#[derive(Debug)]
pub(super) struct NoFolder(anyhow::Error);

impl NoFolder {
    /// An event names a place that is no session.
    pub(super) fn foreign(error: SessionError) -> Self {
        Self(error.into())
    }

    /// Takes an error of the system for one; others, as frames made with other options, end the run.
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

/// The sessions whose error was said.
pub(super) type Refused = VecDeque<String>;
