//! What a reader has acknowledged: `agent/NAME.ndjson`, one line that is replaced as a whole.
//!
//! The line is short however much was acknowledged: a cursor before which everything is, and ranges
//! of ids. It is written under a lock on the folder, which dies with its holder.

use std::{io, path::PathBuf, str::FromStr};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    session::Session,
    storage::{durable, regular},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{cursor::Cursor, ids::Ids, journal::Journal};

/// Version of the file.
const VERSION: u32 = 1;

/// Longest name of a reader, in bytes.
const MAX_NAME: usize = 64;

/// Name of a reader: of its file, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reader(String);

impl Reader {
    /// Returns its name.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Tells whether its acknowledgements are `sent_to_agent` in the index.
    pub(crate) fn is_agent(&self) -> bool {
        self.0 == "agent"
    }
}

impl FromStr for Reader {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let is_name = (1..=MAX_NAME).contains(&name.len())
            && name.bytes().all(plain)
            && !name.starts_with(['.', '-']);
        let refused = || format!("must be 1 to {MAX_NAME} letters, digits, `-`, `_` and `.`");
        is_name.then(|| Self(name.to_owned())).ok_or_else(refused)
    }
}

/// What a reader has acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Every frame that begins before it is acknowledged.
    pub cursor: Cursor,
    /// All frames that are acknowledged.
    pub frames: Ids,
    /// The journal was started over since: what the reader had acknowledged is gone.
    pub restarted: bool,
}

/// The line of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    v: u32,
    reader: String,
    at: Timestamp,
    cursor: String,
    acknowledged: Vec<String>,
}

impl State {
    /// Reads what `reader` has acknowledged in the session of `journal`; nothing if it is new.
    pub(crate) fn read(journal: &Journal, reader: &Reader) -> Result<Self> {
        let path = path(&journal.session, reader);
        let damaged =
            || format!("{}: damaged; remove it, and the reader begins anew", path.display());
        let text = match regular::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            text => text.with_context(|| path.display().to_string())?,
        };
        let stored: Stored = serde_json::from_slice(text.trim_ascii()).with_context(damaged)?;
        if stored.v != VERSION {
            bail!("{}: of version {}, this program knows {VERSION}", path.display(), stored.v);
        }
        let cursor: Cursor = stored.cursor.parse().with_context(damaged)?;
        let holds = match journal.file() {
            Some(file) => cursor.holds(file).with_context(|| path.display().to_string())?,
            None => cursor.is_start(),
        };
        if !holds {
            return Ok(Self { restarted: true, ..Self::default() });
        }
        let mut frames = Ids::default();
        stored.acknowledged.iter().for_each(|text| frames.insert_text(text));
        Ok(Self { cursor, frames, restarted: false })
    }

    /// Replaces what `reader` has acknowledged, durably. The caller holds the lock.
    pub(crate) fn save(&self, session: &Session, reader: &Reader, at: Timestamp) -> Result<()> {
        let path = path(session, reader);
        let stored = Stored {
            v: VERSION,
            reader: reader.name().to_owned(),
            at,
            cursor: self.cursor.to_string(),
            acknowledged: self.frames.to_texts(),
        };
        let mut line = serde_json::to_vec(&stored)?;
        line.push(b'\n');
        durable::replace(&path, &line).with_context(|| {
            format!("{}: nothing is acknowledged, and what was before still is", path.display())
        })
    }
}

/// Returns the path of a reader's file.
fn path(session: &Session, reader: &Reader) -> PathBuf {
    session.agent().join(format!("{}.ndjson", reader.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(journal: &str) -> (tempfile::TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["stream", "frames", "agent"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("frames/index.ndjson"), journal).unwrap();
        let session = Session::open(folder.path()).unwrap();
        (folder, session)
    }

    #[test]
    fn name_of_a_reader_is_a_plain_file_name() {
        assert!("agent".parse::<Reader>().unwrap().is_agent());
        assert!(!"Agent-2.x_y".parse::<Reader>().unwrap().is_agent());
        for wrong in ["", ".", "..", "a/b", "-x", ".x", "a b", "ä", &"x".repeat(65)] {
            assert!(wrong.parse::<Reader>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn state_is_read_as_saved_and_is_void_in_another_journal() {
        let (folder, session) = session("one\ntwo\n");
        let reader: Reader = "r".parse().unwrap();
        let journal = Journal::open(&session).unwrap();
        assert_eq!(State::read(&journal, &reader).unwrap(), State::default());
        let mut state = State {
            cursor: Cursor::at(journal.file().unwrap(), 4, 8).unwrap(),
            ..State::default()
        };
        state.frames.insert("F000001");
        state.save(&session, &reader, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(State::read(&journal, &reader).unwrap(), state);
        std::fs::write(folder.path().join("frames/index.ndjson"), "One\ntwo\n").unwrap();
        let journal = Journal::open(&session).unwrap();
        let void = State { restarted: true, ..State::default() };
        assert_eq!(State::read(&journal, &reader).unwrap(), void);
        std::fs::write(folder.path().join("agent/r.ndjson"), "{").unwrap();
        let error = State::read(&journal, &reader).unwrap_err().to_string();
        assert!(error.ends_with("damaged; remove it, and the reader begins anew"), "{error}");
    }
}
