//! Sessions whose results cannot be kept: each gets one `error` event, and the others go on.

use std::{collections::VecDeque, error::Error, io};

use super::{Output, Stdout};
use crate::session::SessionError;

/// Number of sessions whose error was emitted and is not emitted again.
const REMEMBERED: usize = 256;

/// The folder for the results of a session cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoFolder(String);

impl NoFolder {
    /// Returns the error of a session that was removed while a stage was at work on it.
    #[must_use]
    pub fn removed(session: &str) -> Self {
        Self(format!("{session}: removed while it was read; nothing more is written there"))
    }

    /// Returns this error if `error` comes from the system. Others, such as results made with other
    /// options, end the stage.
    pub fn of_system<E: AsRef<dyn Error + Send + Sync>>(error: &E) -> Option<Self> {
        let causes = || causes(error.as_ref());
        let is_of_system = causes().any(<dyn Error>::is::<io::Error>);
        let texts = || causes().map(ToString::to_string).collect::<Vec<_>>();
        is_of_system.then(|| Self(texts().join(": ")))
    }
}

/// An event names a place that is no session.
impl From<SessionError> for NoFolder {
    fn from(error: SessionError) -> Self {
        Self(causes(&error).map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

/// Returns an error, and what caused it.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The sessions whose error was emitted.
#[derive(Debug, Default)]
pub struct RefusedSessions(VecDeque<String>);

impl RefusedSessions {
    /// Emits that the results of `session` cannot be kept, unless that was emitted before.
    pub fn refuse(
        &mut self,
        session: &str,
        error: &NoFolder,
        output: &Output,
    ) -> Result<(), Stdout> {
        if self.0.iter().any(|refused| refused == session) {
            return Ok(());
        }
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(session.to_owned());
        // Our events hold absolute paths.
        let absolute = Some(session).filter(|session| session.starts_with('/'));
        output.fail(absolute, "session", &error.to_string(), Some(session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the journal")]
    struct Journal(#[source] io::Error);

    #[test]
    fn error_of_system_refuses_session_and_another_does_not() {
        let boxed = |error: Journal| -> Box<dyn Error + Send + Sync> { error.into() };
        let full = boxed(Journal(io::ErrorKind::StorageFull.into()));
        let refused = NoFolder::of_system(&full).unwrap();
        assert_eq!(refused.to_string(), "the journal: no storage space");
        let other: Box<dyn Error + Send + Sync> = "made with other options".into();
        assert!(NoFolder::of_system(&other).is_none());
    }
}
