//! Writes the file that was asked for.

use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use cht_core::{
    session::{INDEX_JOURNAL, Session},
    storage::durable,
};

/// Folders of a session, in which only its stages write.
const OF_SESSION: [&str; 6] = ["stream", "frames", "audio", "transcript", "agent", "page"];

/// Path from a session's folder on of the clip that cht-page lets this tool write.
const VIDEO_OF_PAGE: &str = "page/video.mp4";

/// Fails for a file that would replace one of a recording, or lie among them.
pub(crate) fn refuse_recordings(path: &Path) -> Result<()> {
    let Ok(folder) = path.canonicalize().or_else(|_| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = parent.unwrap_or(Path::new(".")).canonicalize();
        folder.map(|folder| folder.join(path.file_name().unwrap_or_default()))
    }) else {
        return Ok(());
    };
    let is_of_session = folder.ancestors().skip(1).any(|folder| {
        let name = folder.file_name().and_then(|name| name.to_str());
        let is_named = name.is_some_and(|name| OF_SESSION.contains(&name));
        is_named && folder.parent().is_some_and(|root| Session::open(root).is_ok())
    }) && !folder.ends_with(VIDEO_OF_PAGE);
    // An index of loose segments.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let is_indexed = folder.with_file_name(INDEX_JOURNAL).exists();
    let is_of_index = is_indexed
        && (is_picture(path) || ["index.ndjson", "index.json", "scenes.ndjson"].contains(&&*name));
    if is_of_session || is_of_index {
        bail!("{}: belongs to a recording; write elsewhere", path.display());
    }
    Ok(())
}

/// Returns whether a file is named as cht-scenes names pictures.
pub(crate) fn is_picture(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let digits = stem.and_then(|stem| stem.strip_prefix('F'));
    let is_numbered =
        digits.is_some_and(|it| it.len() >= 6 && it.bytes().all(|byte| byte.is_ascii_digit()));
    let kind = path.extension().and_then(|kind| kind.to_str());
    is_numbered && matches!(kind, Some("jpg" | "png" | "webp"))
}

/// Writes a file at once when it is complete, with the mode that it had, and through a link. A
/// device, pipe or FIFO is written into.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match path.metadata() {
        Ok(metadata) if metadata.is_file() => {
            let place = path.canonicalize()?;
            durable::replace(&place, bytes)?;
            fs::set_permissions(&place, metadata.permissions())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            durable::replace(path, bytes)
        }
        _ => fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?
            .write_all(bytes),
    }
}

/// Returns a path as messages name it: in a log, a relative one names nothing.
pub(crate) fn named(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Bytes that a disk has to take to be at work.
const ROOM: usize = 1 << 20;

/// Fails if the disk takes no more of a file that another program has written in part, with the
/// error of the system. Otherwise the file gets longer: it is one to be thrown away.
pub(crate) fn refused(mut file: &File) -> io::Result<()> {
    file.seek(SeekFrom::End(0))?;
    file.write_all(&vec![0; ROOM])?;
    file.sync_data()
}
