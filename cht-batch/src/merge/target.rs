//! Where a joined index goes: stdout, a file of lines or an array, or an archive with the pictures.

use std::{fs::File, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use cht_core::{
    ndjson,
    storage::{draft::Draft, regular},
};
use serde_json::{Map, Value};

use super::tar::Tar;

/// A file that appears when it is complete, or stdout.
pub(super) enum Target {
    Stdout(ndjson::Writer<File>),
    Lines(Box<Draft>),
    Array(Box<Draft>, bool),
    /// Each picture, and its frame as JSON next to it.
    Archive(Tar<Box<Draft>>),
}

impl Target {
    /// Opens the file at `path`: an array if its name ends in `.json`, else lines.
    pub(super) fn open(path: Option<&Path>, is_archive: bool) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Stdout(ndjson::stdout()?)) };
        let draft = Box::new(Draft::create(path).with_context(|| path.display().to_string())?);
        let is_array = path.extension().is_some_and(|extension| extension == "json");
        Ok(match (is_archive, is_array) {
            (true, _) => Self::Archive(Tar::new(draft)),
            (false, true) => Self::Array(draft, false),
            (false, false) => Self::Lines(draft),
        })
    }

    /// Adds a frame of the unit `key`.
    pub(super) fn add(&mut self, key: &str, frame: &Map<String, Value>) -> Result<()> {
        let mut line = serde_json::to_vec(frame)?;
        match self {
            Self::Stdout(output) => {
                line.push(b'\n');
                output.pass(&line).context("stdout")?;
            }
            Self::Lines(draft) => {
                line.push(b'\n');
                draft.write_all(&line)?;
            }
            Self::Array(draft, is_begun) => {
                draft.write_all(if *is_begun { b",\n" } else { b"[\n" })?;
                draft.write_all(&line)?;
                *is_begun = true;
            }
            Self::Archive(tar) => {
                let path = frame.get("path").and_then(Value::as_str).context("a path")?;
                let picture = regular::read(Path::new(path)).with_context(|| path.to_owned())?;
                let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
                let id = frame.get("id").and_then(Value::as_str).context("an id")?;
                tar.add(key, &name, &picture)?;
                tar.add(key, &format!("{id}.json"), &line)?;
            }
        }
        Ok(())
    }

    /// Gives the file its name.
    pub(super) fn finish(self) -> Result<()> {
        let draft = match self {
            Self::Stdout(_) => return Ok(()),
            Self::Lines(draft) => draft,
            Self::Array(mut draft, is_begun) => {
                draft.write_all(if is_begun { b"\n]\n" } else { b"[]\n" })?;
                draft
            }
            Self::Archive(tar) => tar.finish()?,
        };
        Ok(draft.publish()?)
    }
}
