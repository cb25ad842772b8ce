//! The video file of a page: a browser plays no segments from files, but a video next to a page.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::{programs, report},
    storage::{durable, regular},
};
use serde::Deserialize;

use crate::{
    data::{Part, Video},
    streams::Streams,
};

/// Name of the file that is made.
pub(crate) const NAME: &str = "video.mp4";

/// Program that makes it.
const EXPORT: &str = "cht-export";

/// What `--video` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A file that is made.
    Made,
    /// This file.
    File(PathBuf),
    /// No video.
    None,
}

impl Wish {
    /// Returns the wish of the option's value, which is empty for that without one.
    pub(crate) fn of(value: OsString) -> Self {
        match value.to_str() {
            Some("") => Self::Made,
            Some("none") => Self::None,
            _ => Self::File(value.into()),
        }
    }
}

/// A video that was found.
#[derive(Debug)]
pub(crate) struct Found {
    path: PathBuf,
    is_other: bool,
    parts: Vec<Part>,
}

impl Found {
    /// Names it by the URL that `url` gives its path.
    pub(crate) fn named(self, url: impl FnOnce(&Path) -> Result<String>) -> Result<Video> {
        Ok(Video { path: url(&self.path)?, other: self.is_other, parts: self.parts })
    }
}

/// Finds or makes the video for a page in `folder`. Without one, the page shows pictures.
pub(crate) fn find(
    wish: Option<&Wish>,
    session: &Path,
    folder: &Path,
    streams: Option<&Streams>,
) -> Result<Option<Found>> {
    let own = folder.join(NAME);
    match wish {
        Some(Wish::File(path)) => {
            if !path.is_file() {
                bail!("{}: no file; --video alone makes one", path.display());
            }
            let parts = parts(path).with_context(|| {
                format!(
                    "{}: save there what cht-export clip printed for {}",
                    description(path).display(),
                    path.display()
                )
            })?;
            return Ok(Some(Found { path: path.clone(), is_other: true, parts }));
        }
        Some(Wish::Made) => {
            let codec = streams.and_then(|streams| streams.video.as_deref());
            if let Err(error) = check(codec).and_then(|()| make(session, &own)) {
                report::warn(format_args!("no video was made for the page: {error:#}"));
                return Ok(None);
            }
        }
        None if own.is_file() => {}
        Some(Wish::None) | None => return Ok(None),
    }
    match parts(&own) {
        Ok(parts) => Ok(Some(Found { path: own, is_other: false, parts })),
        Err(error) => {
            report::warn(format_args!(
                "{}: {error:#}; --video makes it anew",
                description(&own).display()
            ));
            Ok(None)
        }
    }
}

/// Fails for a codec that no browser plays.
fn check(codec: Option<&str>) -> Result<()> {
    match codec {
        Some(codec) if !["h264", "hevc"].contains(&codec) => {
            bail!("no browser plays {codec}; convert the recording, and name it by --video=FILE")
        }
        _ => Ok(()),
    }
}

/// Lets cht-export write the whole session into a file, as it was received, and keeps its
/// description of it.
fn make(session: &Path, path: &Path) -> Result<()> {
    // The old file and its description stay until both are made: most often they say the same.
    let description = description(path);
    let program = programs::installed(EXPORT).unwrap_or_else(|| EXPORT.into());
    // A result of cht-batch names its files in its index.
    let has_stream = session.join("stream").is_dir();
    let index = session.join("frames/index.json");
    let recording = if has_stream { session } else { &index };
    let mut command = Command::new(&program);
    command.args(["clip", "--copy", "--gap", "close", "--"]).args([recording, path]);
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command
        .output()
        .with_context(|| format!("{}: cannot be run; run make install", program.display()))?;
    if !output.status.success() {
        bail!("cht-export ended with {}", output.status);
    }
    let described = durable::replace(&description, &output.stdout);
    if described.is_err() {
        // A video that its description does not fit would be shown at wrong times.
        let _ = durable::remove(path);
    }
    described.with_context(|| description.display().to_string())
}

/// Returns the file with the description of a video.
pub(crate) fn description(path: &Path) -> PathBuf {
    path.with_extension("json")
}

/// Reads which times of the session a video has.
fn parts(path: &Path) -> Result<Vec<Part>> {
    #[derive(Deserialize)]
    struct Clip {
        parts: Vec<Part>,
    }
    let clip: Clip = serde_json::from_slice(&regular::read(&description(path))?)?;
    if clip.parts.is_empty() {
        bail!("it names no part");
    }
    Ok(clip.parts)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn value_of_the_option_is_a_file_none_or_nothing() {
        let wish = |value: &str| Wish::of(value.into());
        assert_eq!((wish(""), wish("none")), (Wish::Made, Wish::None));
        assert_eq!(wish("a.mp4"), Wish::File("a.mp4".into()));
    }

    #[test]
    fn description_of_a_video_lies_next_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let video = folder.path().join(NAME);
        let find = || find(None, folder.path(), folder.path(), None).unwrap();
        assert!(find().is_none());
        fs::write(&video, "").unwrap();
        assert!(find().is_none(), "a file without a description");
        let line = r#"{"path":"x","parts":[{"start":1.5,"end":3.0,"at":0.0}]}"#;
        fs::write(folder.path().join("video.json"), line).unwrap();
        assert_eq!(find().unwrap().parts, [Part { start: 1.5, end: 3.0, at: 0.0 }]);
    }
}
