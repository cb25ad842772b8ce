//! Recognizes the files in the folder of frames by their names.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::{Context as _, Result};
use cht_core::{process::report, storage::durable};
use rustix::fs::FlockOperation;

/// Ending of the name of a thumbnail.
pub(crate) const THUMBNAIL: &str = ".thumb.jpg";

/// Removes the pictures of a folder.
pub(crate) fn remove_pictures(folder: &Path) -> std::io::Result<()> {
    remove(folder, is_picture)
}

/// Removes the temporary files of pictures and states that a kill left.
pub(crate) fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    remove(folder, |name| {
        durable::unfinished(name.as_ref())
            .and_then(|name| name.to_str())
            .is_some_and(|name| is_picture(name) || is_state(name))
    })
}

fn remove(folder: &Path, is_meant: impl Fn(&str) -> bool) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        // A folder of that name is not ours: it stays.
        if !is_folder && entry.file_name().to_str().is_some_and(&is_meant) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Returns whether a name is that of a picture or a thumbnail.
fn is_picture(name: &str) -> bool {
    let kinds = [".jpg", ".png", ".webp", THUMBNAIL];
    let number =
        |rest: &str| kinds.iter().find_map(|kind| rest.strip_suffix(kind)?.parse::<u64>().ok());
    name.strip_prefix('F').and_then(number).is_some()
}

/// Returns whether a name is that of a state of the detectors.
pub(crate) fn is_state(name: &str) -> bool {
    name.strip_prefix("scenes_").and_then(|rest| rest.strip_suffix(".state")).is_some()
}

/// Locks the journal; if another process has locked it, reports that and waits.
pub(crate) fn lock(journal: &File, folder: &Path) -> Result<()> {
    if rustix::fs::flock(journal, FlockOperation::NonBlockingLockExclusive).is_ok() {
        return Ok(());
    }
    report::note(format_args!(
        "{}: another cht-scenes is writing here; waiting until it ends",
        folder.display()
    ));
    rustix::fs::flock(journal, FlockOperation::LockExclusive)
        .with_context(|| folder.display().to_string())
}
