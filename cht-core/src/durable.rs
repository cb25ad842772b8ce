//! Files that are whole or not there: write → fsync → rename → fsync the folder.
//!
//! An event may name a file only after these have returned (invariant 2 of `ARCHITECTURE.md`).

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Replaces `path` by `bytes`: a reader sees the old file or the new one, never a part.
///
/// The temporary file is `path` with `.tmp` behind it, in the same folder, with the usual mode. Each
/// path has one writer, so the name needs no random part, and what a killed writer left is
/// overwritten by the next.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = with_suffix(path, ".tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    publish(&file, &temporary, path)
}

/// Gives a finished file its final name, durably. `file` is the open file behind `temporary`.
pub fn publish(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    sync_folder_of(path)
}

/// Makes names in the folder that holds `path` durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// `path` with `suffix` behind its file name.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
