//! Files that are whole or not there: write → fsync → rename → fsync the folder.
//!
//! An event may name a file only after these have returned (invariant 2 of `ARCHITECTURE.md`).
//!
//! A session's folder may lie on a shared disk or come out of an archive, so nothing is written
//! through a link: temporary files are created anew under a name of our own, and journals are
//! opened by [`open`], which takes regular files only (`docs/trust.md`).

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    },
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::regular;

/// Suffix of temporary files. No editor and no other program uses it.
const TEMPORARY: &str = ".cht-tmp";

/// Replaces `path` by `bytes`: a reader sees the old file or the new one, never a part.
///
/// The temporary file lies in the same folder, with the usual mode. Each path has one writer, so
/// its name needs no random part, and the next writer of `path` removes a temporary file left by a
/// kill.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (file, temporary) = write_temporary(path, bytes)?;
    unless_refused(&temporary, publish(&file, &temporary, path))
}

/// Returns the path where [`Draft::exchange`](super::draft::Draft::exchange) leaves the replaced
/// file; after a crash also an unfinished one.
#[must_use]
pub fn swapped_out(path: &Path) -> PathBuf {
    temporary(path)
}

/// Tells whether [`replace`] failed at `path` because of the file with that name, or with the name
/// of its temporary file: a folder, a mount point, a file that may not be removed. Trying again
/// does not help.
#[must_use]
pub fn is_obstructed(path: &Path, error: &io::Error) -> bool {
    use rustix::io::Errno;
    const OBSTRUCTIONS: [Errno; 5] =
        [Errno::ISDIR, Errno::NOTEMPTY, Errno::EXIST, Errno::PERM, Errno::BUSY];
    OBSTRUCTIONS.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
        && [path, &temporary(path)].iter().any(|path| path.symlink_metadata().is_ok())
}

/// Returns the temporary name of `path`: `.NAME.cht-tmp` in the same folder.
fn temporary(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(TEMPORARY);
    path.with_file_name(name)
}

/// Returns the name of the file that a temporary file `name` was to become; `None` for other names.
#[must_use]
pub fn unfinished(name: &OsStr) -> Option<&OsStr> {
    let bytes = name.as_bytes().strip_prefix(b".")?.strip_suffix(TEMPORARY.as_bytes())?;
    Some(OsStr::from_bytes(bytes))
}

/// Writes `bytes` into a new temporary file for `path`.
fn write_temporary(path: &Path, bytes: &[u8]) -> io::Result<(File, PathBuf)> {
    let (mut file, temporary) = create_temporary(path)?;
    unless_refused(&temporary, file.write_all(bytes))?;
    Ok((file, temporary))
}

/// Creates a new temporary file for `path`.
pub(super) fn create_temporary(path: &Path) -> io::Result<(File, PathBuf)> {
    let temporary = temporary(path);
    let file = match File::create_new(&temporary) {
        // Left by a kill, or planted: `create_new` follows no link, and a link itself is removed.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(&temporary)?;
            File::create_new(&temporary)?
        }
        result => result?,
    };
    Ok((file, temporary))
}

/// Creates a file in `folder` that has no name, and goes away with its last descriptor. Fails where
/// the file system has no such files.
pub fn create_unnamed(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(OFlags::TMPFILE.bits() as i32).open(folder)
}

/// Gives an unnamed file that is complete the temporary name of `path`, and returns that name.
pub(super) fn name_temporary(file: &File, path: &Path) -> io::Result<PathBuf> {
    use rustix::fs::{AtFlags, CWD, linkat};
    // What takes long comes first: a kill in between would leave the file.
    file.sync_all()?;
    let temporary = temporary(path);
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    let link = || linkat(CWD, &*own, CWD, &temporary, AtFlags::SYMLINK_FOLLOW);
    match link() {
        Err(rustix::io::Errno::EXIST) => {
            fs::remove_file(&temporary)?;
            link()?;
        }
        linked => linked?,
    }
    Ok(temporary)
}

/// Removes the temporary file of a step that the disk refused: on a full disk each byte counts, and
/// some files have no later writer that would remove it.
fn unless_refused<T>(temporary: &Path, step: io::Result<T>) -> io::Result<T> {
    if step.is_err() {
        let _ = fs::remove_file(temporary);
    }
    step
}

/// Opens a file to write to, journals above all: `ELOOP` for a symbolic link, an error for a FIFO,
/// a socket or a device. It never waits.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    regular::open_with_flags(options, OFlags::NOFOLLOW, path)
}

/// Opens a file to read from; an error for a FIFO, a socket or a device. It never waits.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    regular::open(path)
}

/// Reads a file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open_to_read(path)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("larger than {limit} bytes, and not read");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Gives a finished file its final name, durably. `file` is the open file at `temporary`.
pub fn publish(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(temporary, path)?;
    sync_folder_of(path)
}

/// Does the same as [`publish`], but fails (`EEXIST`) if a file of that name exists: no recording
/// is renamed over another.
pub fn publish_new(file: &File, temporary: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    rename_new(temporary, path)?;
    sync_folder_of(path)
}

/// Creates a file that is only ever appended to; an error (`EEXIST`) if something has that name.
/// One that others truncate gets short, and no hole of zeros.
pub fn create_to_append(path: &Path) -> io::Result<File> {
    File::options().append(true).create_new(true).open(path)
}

/// Renames a file; an error (`EEXIST`) if something has that name already.
pub fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system without the flag (NFS): looked at before, for the folder has one writer.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.exists() => {
            fs::rename(from, to)
        }
        result => Ok(result?),
    }
}

/// Renames the file at `path`, and returns its new name: `path` with `suffix` after it, and a
/// number if that is taken. Nothing is overwritten, and the name `path` is free afterwards.
pub fn set_aside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    for n in 1_u32.. {
        let number = if n == 1 { String::new() } else { n.to_string() };
        let aside = with_suffix(path, &format!("{suffix}{number}"));
        match rename_new(path, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|()| aside),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes names in the folder that holds `path` durable.
pub fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// Returns `path` with `suffix` after its file name.
#[must_use]
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Removes a file that need not be there. Returns whether it was.
pub fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        removed => removed.map(|()| true),
    }
}

/// Removes a folder, which need not be there, and everything in it.
pub fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;
    use crate::storage::draft::Draft;

    #[test]
    fn recording_is_not_renamed_over_another() {
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
    fn thing_set_aside_keeps_its_content_and_frees_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for suffix in [".old", ".old2"] {
            std::fs::create_dir(&path).unwrap();
            assert_eq!(set_aside(&path, ".old").unwrap(), with_suffix(&path, suffix));
        }
        assert_eq!(set_aside(&path, ".old").unwrap_err().kind(), io::ErrorKind::NotFound);
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

    #[test]
    fn refused_rename_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        // A folder that is not empty has the name.
        std::fs::create_dir_all(path.join("b")).unwrap();
        assert!(replace(&path, b"one").is_err());
        assert!(!temporary(&path).exists());
    }

    #[test]
    fn obstruction_is_told_from_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let error = |errno: rustix::io::Errno| io::Error::from(errno);
        assert!(!is_obstructed(&path, &error(rustix::io::Errno::PERM)), "nothing is there");
        for obstruction in [&path, &temporary(&path)] {
            std::fs::create_dir(obstruction).unwrap();
            let failed = replace(&path, b"one").unwrap_err();
            assert!(is_obstructed(&path, &failed), "{}: {failed}", obstruction.display());
            assert!(!is_obstructed(&path, &error(rustix::io::Errno::NOSPC)));
            std::fs::remove_dir(obstruction).unwrap();
        }
        replace(&path, b"one").unwrap();
    }

    /// Plants a link at `path` that leads to another file; returns that file.
    fn plant(path: &Path) -> PathBuf {
        let victim = path.with_extension("victim");
        std::fs::write(&victim, "precious").unwrap();
        let _ = std::fs::remove_file(path);
        std::os::unix::fs::symlink(&victim, path).unwrap();
        victim
    }

    #[test]
    fn temporary_name_planted_as_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for round in [b"one", b"two"] {
            let victim = plant(&temporary(&path));
            replace(&path, round).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), round);
            assert!(!path.is_symlink());
            plant(&temporary(&path));
            Draft::create(&path).unwrap().exchange().unwrap();
            assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        }
    }

    #[test]
    fn journal_planted_as_link_or_fifo_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndjson");
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        open(&path, &mut options).unwrap().write_all(b"line\n").unwrap();
        let victim = plant(&path);
        let error = open(&path, &mut options).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::LOOP.raw_os_error()));
        assert_eq!(std::fs::read(&victim).unwrap(), b"precious");
        let fifo = folder.path().join("fifo");
        mknodat(CWD, &fifo, FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(open(&fifo, &mut options).is_err());
        assert!(read(&fifo, 99).is_err(), "would wait for a writer for ever");
    }

    #[test]
    fn file_larger_than_limit_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, b"12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert!(read(&path, 4).is_err());
    }

    #[test]
    fn temporary_name_tells_its_file() {
        let path = temporary(Path::new("/a/F000001.jpg"));
        assert_eq!(path, Path::new("/a/.F000001.jpg.cht-tmp"));
        let name = path.file_name().unwrap();
        assert_eq!(unfinished(name), Some(OsStr::new("F000001.jpg")));
        assert_eq!(unfinished(OsStr::new("index.json.tmp")), None);
    }
}
