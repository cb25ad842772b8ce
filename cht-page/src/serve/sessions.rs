//! The sessions below a folder, each opened beneath it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cht_core::{session::segment_log, storage::beneath::Beneath};
use jiff::Timestamp;
use serde::Serialize;

use crate::{item::Picture, source::Source};

/// Largest number of sessions in the list.
const LISTED: usize = 500;

/// Bytes at the end of a journal in which the newest picture is looked for.
const TAIL: u64 = 64 << 10;

/// The folder of the sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    path: PathBuf,
    root: Beneath,
}

/// One session of the list.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    name: String,
    live: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Timestamp>,
    /// Seconds to the end of the last finished segment, or to the newest picture.
    duration: f64,
    /// Path of the newest picture, from the session's folder on.
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
    /// Number of pictures, by the id of the newest.
    pictures: u64,
}

impl Sessions {
    /// Opens the folder of the sessions.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.join("stream").is_dir() {
            bail!("{}: a session; name the folder that it lies in", path.display());
        }
        let root = Beneath::open(path).with_context(|| {
            format!(
                "{}: no folder of sessions; name the one that cht-recv writes to",
                path.display()
            )
        })?;
        Ok(Self { path: path.to_owned(), root })
    }

    /// Opens a session by its plain name. `None` if there is none, or a link leads elsewhere.
    pub(super) fn session(&self, name: &str) -> Option<Source> {
        let folder = self.root.folder(name).ok()?;
        Source::of_folder(&self.path.join(name), folder).ok()
    }

    /// Lists the sessions: the one first that people mean without naming one.
    pub(super) fn list(&self) -> Result<Vec<Listed>> {
        let mut names = self.root.names().with_context(|| self.path.display().to_string())?;
        names.retain(|name| !name.starts_with('.'));
        let found = names.into_iter().filter_map(|name| self.session(&name).map(|it| (name, it)));
        let mut found: Vec<_> = found
            .map(|(name, source)| {
                let session = source.session();
                (session.recency(), name, source)
            })
            .collect();
        found.sort_by_key(|(order, ..)| std::cmp::Reverse(*order));
        found.truncate(LISTED);
        Ok(found.into_iter().map(|(_, name, source)| listed(name, &source)).collect())
    }
}

/// Describes a session.
fn listed(name: String, source: &Source) -> Listed {
    let session = source.session();
    let newest = source.newest(TAIL);
    Listed {
        name,
        live: session.is_recording(),
        started_at: segment_log::started_at(session),
        duration: newest
            .as_ref()
            .map_or(0.0, Picture::timestamp)
            .max(segment_log::duration(session)),
        pictures: newest.as_ref().map_or(0, |picture| number(picture.id())),
        picture: newest.map(|picture| picture.shown().to_owned()),
    }
}

/// Returns the number in an id.
fn number(id: &str) -> u64 {
    id.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0)
}
