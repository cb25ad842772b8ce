//! `unix:PATH`: a socket in the file system, for senders on this machine with write permission on
//! it.

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _},
            net::{UnixDatagram, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use cht_core::process::report;
use rustix::{fs::Mode, io::Errno, net::sockopt, process::umask};

use super::{candidates::Candidate, listener::Listener, sender::Plain};

/// A listening socket. Dropping it removes its file.
#[derive(Debug)]
pub(crate) struct Unix {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file.
    file: (u64, u64),
}

impl Unix {
    /// Listens at `path`, with access for its owner alone. A socket without a listener is replaced.
    pub(crate) fn bind(path: &Path) -> Result<Self> {
        let at = || format!("unix:{}", path.display());
        remove_stale(path).with_context(at)?;
        // Permissions from the start: a chmod would leave a moment to connect.
        let before = umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.with_context(|| format!("{}: cannot listen there", at()))?;
        listener.set_nonblocking(true)?;
        let file = identity(path).with_context(at)?;
        Ok(Self { listener, path: path.to_owned(), file })
    }
}

/// Removes a socket that a killed program has left.
fn remove_stale(path: &Path) -> Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !kind.is_socket() {
        bail!("something else than a socket is there; name another path");
    }
    // The wrong kind of socket, on purpose: a listener does not notice the attempt.
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(fs::remove_file(path)?)
        }
        Err(error) if error.raw_os_error() != Some(Errno::PROTOTYPE.raw_os_error()) => {
            Err(error.into())
        }
        _ => bail!("another program listens there; stop it, or name another path"),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Listener for Unix {
    fn accept(&mut self, _now: Instant) -> io::Result<Option<Candidate>> {
        let (socket, _) = self.listener.accept()?;
        socket.set_nonblocking(true)?;
        let peer = peer(&socket);
        Ok(Some(Candidate::new(peer, None, Plain::new(OwnedFd::from(socket)), None)))
    }
}

impl AsFd for Unix {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Returns the process at the other end, as the system reports it.
fn peer(socket: &UnixStream) -> String {
    sockopt::socket_peercred(socket).map_or_else(
        |_| "unix".to_owned(),
        |peer| format!("pid {} of uid {}", peer.pid.as_raw_nonzero(), peer.uid.as_raw()),
    )
}

impl Drop for Unix {
    fn drop(&mut self) {
        // Another program may have put its socket there.
        if identity(&self.path).is_ok_and(|file| file == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            report::note(format_args!("unix:{}: cannot be removed: {error}", self.path.display()));
        }
    }
}
