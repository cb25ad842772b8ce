//! `unix:PATH`: a socket in the file system, for senders on this machine. Who may write the file may send.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _},
            net::{UnixDatagram, UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use cht_core::report::{self, Limited};
use rustix::{
    event::{PollFd, PollFlags},
    fs::Mode,
    io::Errno,
    net::sockopt,
    process::umask,
};

use crate::{
    candidates::{Candidates, FOREIGN},
    sender::{self, Sender},
    source::Source,
};

/// At most one message of a kind in this time.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How long a listener that fails is left alone: mostly this process has too many files open.
const REST: Duration = Duration::from_secs(1);

/// A listening socket, whose file goes with it.
#[derive(Debug)]
pub(crate) struct UnixDoor {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file.
    file: (u64, u64),
    /// When a listener that failed is tried again.
    resting: Option<Instant>,
    candidates: Candidates,
    refused: Limited,
    failures: Limited,
}

impl UnixDoor {
    /// Listens at `path`, which only its owner may use. A socket that nobody listens at any more is replaced.
    /// `patience` is for [`Candidates::new`].
    pub(crate) fn bind(path: &Path, patience: Option<Duration>) -> Result<Self> {
        let at = || format!("unix:{}", path.display());
        remove_stale(path).with_context(at)?;
        // With its permissions from the start: a chmod would come too late for somebody who is quick.
        let before = umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.with_context(|| format!("{}: cannot listen there", at()))?;
        listener.set_nonblocking(true)?;
        let file = identity(path).with_context(at)?;
        let limited = || Limited::new(SAY_EVERY);
        let (refused, failures) = (limited(), limited());
        let (path, candidates) = (path.to_owned(), Candidates::new(patience));
        Ok(Self { listener, path, file, resting: None, candidates, refused, failures })
    }
}

/// Makes room where a socket is left of a program that was killed.
fn remove_stale(path: &Path) -> Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !kind.is_socket() {
        bail!("something else than a socket is there; name another path");
    }
    // The wrong kind of socket, on purpose: whoever listens does not notice it.
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

impl Source for UnixDoor {
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        if self.resting.is_none() {
            descriptors.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        self.candidates.descriptors(descriptors);
    }

    fn deadline(&self) -> Option<Instant> {
        self.candidates.deadline().into_iter().chain(self.resting).min()
    }

    fn vacant(&mut self, _now: Instant) {
        self.candidates.serve(false);
    }

    fn prepare(&mut self, now: Instant, taken: bool) -> bool {
        self.candidates.serve(true);
        if taken {
            return true;
        }
        self.look(now, taken);
        self.candidates.has_ready()
    }

    fn admit(&mut self, now: Instant, taken: bool) -> Result<Option<Sender>> {
        self.look(now, taken);
        if !taken {
            return Ok(self.candidates.take());
        }
        while let Some(sender) = self.candidates.take() {
            self.send_away(now, &sender.peer);
        }
        Ok(None)
    }

    fn complaint(&mut self) -> Option<(&'static str, String)> {
        self.candidates.complaint().map(|message| (FOREIGN, message))
    }
}

impl UnixDoor {
    /// Takes in one who has come, and looks who of them can be let in.
    fn look(&mut self, now: Instant, taken: bool) {
        self.candidates.look(now);
        // Those who have come first are let in first; the system holds the others.
        let waits = !taken && self.candidates.has_ready();
        if !waits && self.resting.is_none_or(|until| until <= now) {
            self.resting = None;
            match self.accept() {
                Ok(Some((peer, _))) if taken => self.send_away(now, &peer),
                Ok(Some((peer, socket))) => self.candidates.plain(peer, None, socket.into(), now),
                Ok(None) => {}
                Err(error) => {
                    self.failures.note(now, format_args!("nobody can be let in for now: {error}"));
                    self.resting = Some(now + REST);
                }
            }
        }
        self.candidates.look(now);
    }

    fn accept(&self) -> io::Result<Option<(String, OwnedFd)>> {
        let socket = match self.listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if sender::is_passing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        socket.set_nonblocking(true)?;
        Ok(Some((peer(&socket), socket.into())))
    }

    fn send_away(&mut self, now: Instant, peer: &str) {
        let message = format_args!(
            "{peer} was sent away: another sender is connected (--second-sender replace would change over)"
        );
        self.refused.note(now, message);
    }
}

/// Who is at the other end, by the system's word.
fn peer(socket: &UnixStream) -> String {
    sockopt::socket_peercred(socket).map_or_else(
        |_| "unix".to_owned(),
        |who| format!("pid {} of uid {}", who.pid.as_raw_nonzero(), who.uid.as_raw()),
    )
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        // Another program's socket may have taken the place.
        if identity(&self.path).is_ok_and(|file| file == self.file)
            && let Err(error) = fs::remove_file(&self.path)
        {
            report::note(format_args!("unix:{}: cannot be removed: {error}", self.path.display()));
        }
    }
}
