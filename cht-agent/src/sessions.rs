//! The sessions below a folder: the one that is meant, its contents, and how live it is.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::Frame,
    session::{Session, segment_log},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::{ids, journal::Journal};

/// Where sessions are.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The session that was named.
    pub session: Option<PathBuf>,
    /// Folder of the sessions.
    pub sessions: PathBuf,
}

/// A session.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionView {
    /// Name of its folder.
    pub id: String,
    /// Its folder.
    pub path: String,
    /// Whether it is being recorded now.
    pub live: bool,
    /// Wall clock of its first byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub started_at: Option<Timestamp>,
    /// Seconds that are recorded in finished segments.
    pub duration: f64,
    /// Number of kept frames.
    pub frames: u64,
    /// The newest frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest: Option<Newest>,
}

/// The newest frame of a session.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Newest {
    /// Its id.
    pub id: String,
    /// Its time in the session, in seconds.
    pub timestamp: f64,
    /// Its wall clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub at: Option<Timestamp>,
    /// How long ago that was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<f64>,
}

impl Place {
    /// Returns the session that is meant: the one that was named, or the one that is recorded now,
    /// or else the newest. One whose recorder waits for its first sender comes after those that
    /// hold anything; who waits for frames chooses again, and finds it when the sender has come.
    pub(crate) fn session(&self) -> Result<Session> {
        if let Some(named) = &self.session {
            return self.named(named);
        }
        let newest = self.all()?.into_iter().next();
        newest.with_context(|| {
            format!("{}: no session there yet; start cht-recv first", self.sessions.display())
        })
    }

    /// Returns the session at a path, or of that name below the folder of the sessions.
    pub(crate) fn named(&self, named: &Path) -> Result<Session> {
        let below = self.sessions.join(named);
        let is_name = named.components().count() == 1 && !named.is_dir() && below.is_dir();
        Ok(Session::open(if is_name { &below } else { named })?)
    }

    /// Returns the session whose folder is called `name`.
    pub(crate) fn called(&self, name: &str) -> Result<Session> {
        let is_it = |session: &Session| session.root().file_name().is_some_and(|it| it == name);
        match self.session().ok().filter(is_it) {
            Some(session) => Ok(session),
            None => Ok(Session::open(&self.sessions.join(name))?),
        }
    }

    /// Returns all sessions: first the one that is meant without a name.
    pub(crate) fn all(&self) -> Result<Vec<Session>> {
        let entries = std::fs::read_dir(&self.sessions).with_context(|| {
            format!(
                "{}: no sessions there; name a session with --session or their folder with --sessions",
                self.sessions.display()
            )
        })?;
        let found = entries.filter_map(|entry| Session::open(&entry.ok()?.path()).ok());
        let mut sessions: Vec<_> = found.map(|it| (it.recency(), it)).collect();
        sessions.sort_by(|(one, _), (other, _)| other.cmp(one));
        Ok(sessions.into_iter().map(|(_, session)| session).collect())
    }

    /// Returns the sessions to search: the one that was named, or all.
    pub(crate) fn searched(&self) -> Result<Vec<Session>> {
        match &self.session {
            Some(named) => Ok(vec![self.named(named)?]),
            None => self.all(),
        }
    }
}

/// Describes a session.
pub(crate) fn view(session: &Session, now: Timestamp) -> Result<SessionView> {
    let newest = Journal::open(session)?.newest()?;
    Ok(SessionView {
        id: session.root().file_name().unwrap_or_default().to_string_lossy().into_owned(),
        path: session.name().to_owned(),
        live: session.is_recording(),
        started_at: segment_log::started_at(session),
        duration: segment_log::duration(session),
        frames: newest.as_ref().and_then(|frame| ids::number(&frame.id)).unwrap_or(0),
        newest: newest.as_ref().map(|frame| Newest::of(frame, now)),
    })
}

impl Newest {
    /// Describes a frame.
    pub(crate) fn of(frame: &Frame, now: Timestamp) -> Self {
        let age = frame.at.map(|at| (now.as_millisecond() - at.as_millisecond()) as f64 / 1000.0);
        Self { id: frame.id.clone(), timestamp: frame.timestamp, at: frame.at, age }
    }
}

/// Describes the sessions that are meant, at most `limit`.
pub(crate) fn describe(place: &Place, limit: usize, now: Timestamp) -> Result<Vec<SessionView>> {
    let sessions = place.searched()?;
    if sessions.is_empty() {
        bail!("{}: no session there yet; start cht-recv first", place.sessions.display());
    }
    sessions.iter().take(limit).map(|session| view(session, now)).collect()
}
