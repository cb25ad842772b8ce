//! Sessions that events name and whose frames cannot be kept: an `error` event, and the rest goes on.

use std::{collections::VecDeque, fmt, io};

use anyhow::Result;
use cht_core::session::SessionError;

use super::feeder::Feeder;

/// Sessions with an error that was said, and is not said again.
const REMEMBERED: usize = 256;

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

impl Feeder {
    /// Goes to the folder that the frames of `session` belong in. Returns whether it can be used; if not, that was said.
    pub(super) fn enter(&mut self, session: Option<&str>) -> Result<bool> {
        let entered = self.go_to(session);
        let Err(error) = entered else { return Ok(true) };
        let given = self.args.out.is_some();
        let Some(session) = session.filter(|_| !given && error.is::<NoFolder>()) else {
            return Err(error);
        };
        if !self.refused.contains(&session.to_owned()) {
            if self.refused.len() == REMEMBERED {
                self.refused.pop_front();
            }
            self.refused.push_back(session.to_owned());
            // An event of ours holds absolute paths.
            let absolute = Some(session).filter(|session| session.starts_with('/'));
            self.output.fail(absolute, "session", &error.to_string(), Some(session))?;
        }
        Ok(false)
    }
}

/// The sessions whose error was said.
pub(super) type Refused = VecDeque<String>;
