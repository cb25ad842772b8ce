//! Opens files by paths from elsewhere: names in a folder, paths in events, arguments.
//!
//! Such a path may name a FIFO, whose `open(2)` blocks until another program opens the other end
//! and goes on blocking after a signal, or a device, which may do something when it is opened. So
//! every tool opens its files here. Inputs that may be pipes (stdin, `--input`) are opened
//! elsewhere.

use std::{
    fs::{self, File, FileType, Metadata, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
};

use rustix::fs::OFlags;

/// Why a path is not opened although something is there.
#[derive(Debug, thiserror::Error)]
#[error("not a regular file ({0})")]
struct NotRegular(&'static str);

/// Opens the regular file at `path` for reading.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens the regular file at `path` with `options`, which may create it.
pub fn open_with(options: &OpenOptions, path: &Path) -> io::Result<File> {
    open_with_flags(options, OFlags::empty(), path)
}

/// Does the same with further flags, as `NOFOLLOW`.
pub fn open_with_flags(options: &OpenOptions, flags: OFlags, path: &Path) -> io::Result<File> {
    // Before anything is opened: closing a FIFO again would break the pipe of its writer.
    match fs::metadata(path) {
        Ok(metadata) => check(&metadata)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let open = |flags: OFlags| options.clone().custom_flags(flags.bits() as i32).open(path);
    let file = match open(flags | OFlags::NOCTTY | OFlags::NONBLOCK) {
        // A file server holds a lease on the file, and gives it up to an open that waits.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => open(flags | OFlags::NOCTTY)?,
        result => result?,
    };
    // Something else may have taken the name since.
    check(&file.metadata()?)?;
    Ok(file)
}

/// Reads the regular file at `path` to its end.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the regular file at `path` to its end, as UTF-8.
pub fn read_to_string(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Tells whether this module returned the error because the path names no regular file.
#[must_use]
pub fn is_refusal(error: &io::Error) -> bool {
    error.get_ref().and_then(|error| error.downcast_ref::<NotRegular>()).is_some()
}

/// Refuses anything but a regular file.
pub fn check(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, NotRegular(kind_of(metadata.file_type()))))
}

fn kind_of(found: FileType) -> &'static str {
    match found {
        _ if found.is_dir() => "a folder",
        _ if found.is_fifo() => "a FIFO",
        _ if found.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    #[test]
    fn open_of_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let [fifo, socket, link] = ["fifo", "socket", "link"].map(|name| folder.path().join(name));
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        for (path, kind) in [
            (&*fifo, "a FIFO"),
            (&link, "a FIFO"),
            (&socket, "a socket"),
            (folder.path(), "a folder"),
            (Path::new("/dev/null"), "a device"),
        ] {
            for options in [
                OpenOptions::new().read(true),
                OpenOptions::new().create(true).append(true),
                OpenOptions::new().create(true).read(true).write(true),
            ] {
                let error = open_with(options, path).unwrap_err();
                assert!(is_refusal(&error), "{}: {error}", path.display());
                assert_eq!(error.to_string(), format!("not a regular file ({kind})"));
            }
        }
    }

    #[test]
    fn open_of_a_regular_file_reads_and_creates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        assert_eq!(open(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        open_with(OpenOptions::new().create(true).append(true), &path).unwrap();
        fs::write(&path, b"one").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read(&link).unwrap(), b"one");
        assert_eq!(read_to_string(&path).unwrap(), "one");
    }
}
