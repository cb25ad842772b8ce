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

/// As [`replace`], and returns what was there before, if anything: by the system's exchange of two names, so that
/// nothing that another program put there until that moment goes unseen.
///
/// What was replaced lies under the temporary name afterwards, and the caller takes it away when it has taken it in:
/// [`swapped_out`]. A file system that exchanges no names (NFS) leaves a moment between the look at what is there and
/// the rename.
pub fn swap(path: &Path, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    use rustix::{
        fs::{CWD, RenameFlags, renameat_with},
        io::Errno,
    };
    let temporary = swapped_out(path);
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let before = match renameat_with(CWD, &temporary, CWD, path, RenameFlags::EXCHANGE) {
        Ok(()) => Some(std::fs::read(&temporary)?),
        Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
            let before = match std::fs::read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                before => Some(before?),
            };
            std::fs::rename(&temporary, path)?;
            before
        }
        Err(error) => return Err(error.into()),
    };
    sync_folder_of(path)?;
    Ok(before)
}

/// Where [`swap`] leaves what it replaced; after a crash also something unfinished.
#[must_use]
pub fn swapped_out(path: &Path) -> PathBuf {
    with_suffix(path, ".tmp")
}

/// Gives a finished file its final name, durably. `file` is the open file behind `temporary`.
pub fn publish(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    std::fs::rename(temporary, path)?;
    sync_folder_of(path)
}

/// As [`publish`], but an error (`EEXIST`) if something of that name is there already: no recording is renamed over another.
pub fn publish_new(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    rename_new(temporary, path)?;
    sync_folder_of(path)
}

/// Renames a file; an error (`EEXIST`) if something has that name already.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system without the flag (NFS): looked at before, for the folder has one writer.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
            std::fs::rename(from, to)
        }
        result => Ok(result?),
    }
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
    fn what_was_replaced_is_handed_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        assert_eq!(swap(&path, b"one").unwrap(), None);
        assert_eq!(swap(&path, b"two").unwrap(), Some(b"one".to_vec()));
        std::fs::write(&path, b"by another").unwrap();
        assert_eq!(swap(&path, b"three").unwrap(), Some(b"by another".to_vec()));
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::read(swapped_out(&path)).unwrap(), b"by another");
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
