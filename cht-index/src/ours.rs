//! Tells whether the files at an index's path are our own: no other file is ever replaced or
//! appended to.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use cht_core::{
    event::{Body, Event, Frame},
    storage::{durable, journal::Lines},
};

use crate::array::Elements;

/// Size of the largest `index.json` that is read, in bytes.
pub(crate) const LARGEST: u64 = 1 << 30;

/// Lines of a journal to look at: damage at its beginning does not make it another program's.
const LOOKED_AT: u64 = 1000;

/// Returns the path of the journal of the index at `path`. Fails if that is not the name of an
/// index, or if other files are there.
pub(crate) fn journal_of(path: &Path) -> Result<PathBuf> {
    if path.extension().is_some_and(|extension| extension == "ndjson") {
        bail!("--out {}: the journal has this name; call the index .json", path.display());
    }
    let journal = path.with_extension("ndjson");
    let written = length(&journal, durable::open(&journal, OpenOptions::new().read(true)))?;
    if written.is_some() && !is_journal(&journal)? {
        bail!("{}: no journal of an index; name another file", journal.display());
    }
    let has_index = length(path, durable::open_to_read(path))?.is_some();
    let is_known = written.is_some_and(|bytes| bytes > 0);
    if has_index && !is_known && !is_index(path) {
        bail!("{}: no index of frames; name another file", path.display());
    }
    Ok(journal)
}

/// Returns the size of an opened file; `None` if there is none. Fails if it is not a file.
fn length(path: &Path, opened: io::Result<File>) -> Result<Option<u64>> {
    match opened.and_then(|file| file.metadata()) {
        Ok(metadata) => Ok(Some(metadata.len())),
        // This includes a dangling link.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => bail!("{}: {error}", path.display()),
    }
}

/// Returns whether a journal holds a line of cht-index, or no whole line yet.
fn is_journal(path: &Path) -> io::Result<bool> {
    let mut lines = Lines::open(path, 0)?;
    let mut any = false;
    while let Some(line) = lines.next()? {
        any = true;
        let is_kept = |body: &Body| {
            matches!(body, Body::Frame(_) | Body::Sent(_))
                || matches!(body, Body::Text(_) | Body::Transcript(_) | Body::Audio(_))
        };
        if matches!(Event::parse(line.bytes), Ok(Some(event)) if is_kept(&event.body)) {
            return Ok(true);
        }
        if line.number == LOOKED_AT {
            return Ok(false);
        }
    }
    if any {
        return Ok(false);
    }
    // A torn line.
    let mut torn = Vec::new();
    durable::open_to_read(path)?.take(64).read_to_end(&mut torn)?;
    let text = torn.trim_ascii_start();
    let begin: &[u8] = br#"{"v":"#;
    Ok(text.starts_with(b"\0") || begin.starts_with(&text[..text.len().min(begin.len())]))
}

/// Returns whether a file without a journal is an index: empty, without frames, or with an element
/// that is a frame.
fn is_index(path: &Path) -> bool {
    let has_frames = || -> io::Result<bool> {
        let file = durable::open_to_read(path)?;
        let is_empty = file.metadata()?.len() == 0;
        let mut elements = Elements::new(file);
        let mut none = true;
        while let Some(element) = elements.next()? {
            none = false;
            if frame(element).is_some() {
                return Ok(true);
            }
        }
        Ok(is_empty || (none && elements.is_whole()))
    };
    has_frames().unwrap_or(false)
}

/// Reads an element as a frame, with its session.
pub(crate) fn frame(element: &[u8]) -> Option<(Option<String>, Frame)> {
    #[derive(serde::Deserialize)]
    struct Of {
        #[serde(default)]
        session: Option<String>,
    }
    let frame = serde_json::from_slice(element).ok()?;
    Some((serde_json::from_slice::<Of>(element).ok()?.session, frame))
}
