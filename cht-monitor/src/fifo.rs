//! The stream through a FIFO, for any player that opens it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::{fd::AsFd as _, unix::fs::FileTypeExt as _},
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result, bail};
use cht_core::process::report;
use rustix::fs::{CWD, FileType, FlockOperation, Mode, OFlags, flock, mknodat, open};

use crate::source::Live;

/// Makes the FIFO, unless it is there.
pub(crate) fn make(path: &Path) -> Result<()> {
    match mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::EXIST) => check(path, fs::metadata(path)?.file_type()),
        Err(error) => {
            Err(error).with_context(|| format!("--fifo {}: cannot be made", path.display()))
        }
    }
}

fn check(path: &Path, found: fs::FileType) -> Result<()> {
    if found.is_fifo() {
        return Ok(());
    }
    bail!("--fifo {}: is there and no FIFO; nothing is written, name another", path.display());
}

/// Takes the FIFO for this process, as long as the result is open: two would mix their packets.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let named = || format!("--fifo {}: cannot be opened", path.display());
    // The end for writing opens at once only where there is a reader. It does not count as one.
    let reader = reader(path).with_context(named)?;
    check(path, reader.metadata()?.file_type())?;
    let writer = OpenOptions::new().write(true).open(path).with_context(named)?;
    if flock(&writer, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("--fifo {}: another cht-monitor writes to it; name another", path.display());
    }
    Ok(writer)
}

/// Opens the end for reading. Never waits for a writer.
fn reader(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

/// Takes out what a reader has left: the next one must not find it.
fn drain(path: &Path) -> io::Result<()> {
    match io::copy(&mut reader(path)?, &mut io::sink()) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        result => result.map(|_| ()),
    }
}

/// Feeds one reader after another on a thread of its own, to the end of the stream.
pub(crate) fn serve(path: PathBuf, locked: File, mut live: Live) -> Result<()> {
    let thread = thread::Builder::new().name("fifo".to_owned());
    let serving = thread.spawn(move || {
        // To the end of the thread.
        let _locked = locked;
        if let Err(error) = run(&path, &mut live) {
            report::warn(format_args!("{error:#}"));
        }
    });
    serving.context("a thread for the FIFO").map(|_| ())
}

fn run(path: &Path, live: &mut Live) -> Result<()> {
    loop {
        // Waits for a reader.
        let opened = OpenOptions::new().write(true).open(path);
        let mut fifo = opened.with_context(|| format!("--fifo {}", path.display()))?;
        check(path, fifo.metadata()?.file_type())?;
        let _ = rustix::pipe::fcntl_setpipe_size(&fifo, super::play::PIPE);
        report::note(format_args!("{}: a reader came", path.display()));
        loop {
            let Some(bytes) = live.next(Some(fifo.as_fd()))? else { break };
            match fifo.write_all(&bytes) {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                result => result.with_context(|| format!("--fifo {}", path.display()))?,
            }
        }
        if live.has_ended() {
            return Ok(());
        }
        live.leave();
        drop(fifo);
        drain(path).with_context(|| format!("--fifo {}", path.display()))?;
        report::note(format_args!("{}: the reader went", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifo_is_made_once_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monitor.pipe");
        make(&path).unwrap();
        make(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        let file = folder.path().join("file");
        fs::write(&file, b"kept").unwrap();
        for (wrong, said) in [
            (file.clone(), "is there and no FIFO"),
            (folder.path().to_owned(), "is there and no FIFO"),
            (folder.path().join("absent/monitor.pipe"), "cannot be made: No such file"),
        ] {
            let error = format!("{:#}", make(&wrong).unwrap_err());
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"kept");
    }
}
