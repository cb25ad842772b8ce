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

/// As [`publish`], but an error (`EEXIST`) if something of that name is there already: no recording is renamed over another.
pub fn publish_new(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    file.sync_all()?;
    match renameat_with(CWD, temporary, CWD, path, RenameFlags::NOREPLACE) {
        // A file system without the flag (NFS): looked at before, for the folder has one writer.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !path.exists() => {
            std::fs::rename(temporary, path)?;
        }
        result => result?,
    }
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
    fn a_recording_is_not_renamed_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let (part, path) = (folder.path().join("a.part"), folder.path().join("a"));
        std::fs::write(&part, b"new").unwrap();
        std::fs::write(&path, b"old").unwrap();
        let file = File::open(&part).unwrap();
        let error = publish_new(&file, &part, &path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        std::fs::remove_file(&path).unwrap();
        publish_new(&file, &part, &path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
    }

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
