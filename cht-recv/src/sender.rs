//! A connected sender: its bytes, whatever they come wrapped in. Nothing here blocks.

use std::{
    fs::File,
    io::{self, Read},
    net::TcpStream,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::Duration,
};

use anyhow::Result;
use cht_core::clock;
use rustix::{
    event::{PollFd, PollFlags},
    net::sockopt,
};

use crate::{
    port::Datagrams,
    run::{FAREWELL, Run},
    tls::Tls,
};

/// How often the system asks a silent sender's machine whether it is still there.
const PROBES: u32 = 3;

/// The reason of a connection that ended as it should.
pub(crate) const END_OF_STREAM: &str = "end of stream";

/// A connected sender.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Its address, or what else tells who it is.
    pub peer: String,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Plain(Plain),
    Tls(Box<Tls>),
    Datagrams(Box<Datagrams>),
    Fetched(Box<Run>),
}

/// A connected socket, or a pipe.
#[derive(Debug)]
struct Plain {
    file: File,
    /// Bytes that were received before it was let in.
    first: Vec<u8>,
    /// Whether `first` was handed out.
    taken: bool,
}

impl Plain {
    fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a> {
        if !std::mem::replace(&mut self.taken, true) && !self.first.is_empty() {
            return Received { bytes: &self.first, raw: self.first.len(), end: None };
        }
        self.first = Vec::new();
        Received::of(read(&mut self.file, buffer), buffer)
    }
}

/// What a sender had to give.
#[derive(Debug, Default)]
pub(crate) struct Received<'a> {
    /// To be recorded, also if the connection ended.
    pub bytes: &'a [u8],
    /// Bytes that the socket gave for it.
    pub raw: usize,
    /// Why nothing more will come.
    pub end: Option<String>,
}

impl<'a> Received<'a> {
    /// The result of a read into `buffer`.
    fn of(read: Result<usize, String>, buffer: &'a [u8]) -> Self {
        match read {
            Ok(raw) => Self { bytes: &buffer[..raw], raw, end: None },
            Err(end) => Self { end: Some(end), ..Self::default() },
        }
    }
}

impl Sender {
    /// A sender whose bytes come as they are, after those that were received already.
    pub(crate) fn plain(peer: String, socket: OwnedFd, first: Vec<u8>) -> Self {
        let plain = Plain { file: socket.into(), first, taken: false };
        Self { peer, socket: Socket::Plain(plain) }
    }

    /// A sender whose handshake is done.
    pub(crate) fn tls(peer: String, tls: Box<Tls>) -> Self {
        Self { peer, socket: Socket::Tls(tls) }
    }

    /// One whose datagrams come to a port.
    pub(crate) fn datagrams(peer: String, datagrams: Box<Datagrams>) -> Self {
        Self { peer, socket: Socket::Datagrams(datagrams) }
    }

    /// An ffmpeg that delivers.
    pub(crate) fn fetched(peer: String, run: Box<Run>) -> Self {
        Self { peer, socket: Socket::Fetched(run) }
    }

    /// Takes what is there, with one read of at most `buffer`.
    pub(crate) fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a> {
        let read = match &mut self.socket {
            Socket::Plain(plain) => return plain.receive(buffer),
            Socket::Tls(tls) => return tls.receive(buffer),
            Socket::Datagrams(datagrams) => return datagrams.receive(),
            Socket::Fetched(run) => match read(&mut run.output(), buffer) {
                Err(end) if end == END_OF_STREAM => Err(run.reason()),
                read => read,
            },
        };
        Received::of(read, buffer)
    }

    /// Gives it up: `record` gets what it held back, and what an ffmpeg that is asked to end still writes.
    pub(crate) fn give_up(
        &mut self,
        buffer: &mut [u8],
        mut record: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        let run = match &mut self.socket {
            Socket::Plain(_) | Socket::Tls(_) => return Ok(()),
            Socket::Datagrams(datagrams) => return record(datagrams.last()),
            Socket::Fetched(run) => run,
        };
        run.ask_to_end();
        let limit = clock::monotonic() + FAREWELL;
        while clock::monotonic() < limit {
            let mut descriptors = [PollFd::new(run.output(), PollFlags::IN)];
            clock::wait_ready(&mut descriptors, Some(limit))?;
            if descriptors[0].revents().is_empty() {
                continue;
            }
            match read(&mut run.output(), buffer) {
                Ok(count) => record(&buffer[..count])?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Bytes that have arrived on the socket and were not taken.
    pub(crate) fn arrived(&self) -> u64 {
        let held = match &self.socket {
            Socket::Plain(plain) if !plain.taken => plain.first.len() as u64,
            _ => 0,
        };
        held + rustix::io::ioctl_fionread(self.socket()).unwrap_or(0)
    }

    /// Whether the sender will send no more, even if not all that it sent has been taken.
    pub(crate) fn has_hung_up(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut descriptors = [PollFd::from_borrowed_fd(self.socket(), gone)];
        clock::wait_ready(&mut descriptors, Some(clock::monotonic())).is_ok()
            && descriptors[0].revents().intersects(gone)
    }

    /// What to wait for.
    pub(crate) fn descriptor(&self) -> PollFd<'_> {
        match &self.socket {
            Socket::Plain(plain) => PollFd::new(&plain.file, PollFlags::IN),
            Socket::Tls(tls) => tls.descriptor(),
            Socket::Datagrams(datagrams) => PollFd::new(datagrams.socket(), PollFlags::IN),
            Socket::Fetched(run) => PollFd::new(run.output(), PollFlags::IN),
        }
    }

    fn socket(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Plain(plain) => plain.file.as_fd(),
            Socket::Tls(tls) => tls.socket().as_fd(),
            Socket::Datagrams(datagrams) => datagrams.socket().as_fd(),
            Socket::Fetched(run) => run.output().as_fd(),
        }
    }
}

/// Sets up a socket that was just accepted. A sender's machine that has gone without a word is noticed after
/// `keepalive`, whole seconds: half of it in silence, then as many probes as fill the rest.
pub(crate) fn prepare(socket: &TcpStream, keepalive: Duration) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    let interval = Duration::from_secs((keepalive / 2 / PROBES).as_secs().max(1));
    sockopt::set_tcp_keepidle(socket, keepalive.saturating_sub(interval * PROBES))?;
    sockopt::set_tcp_keepintvl(socket, interval)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    Ok(())
}

/// One read: how much there was, which may be nothing, or why nothing more will come.
pub(crate) fn read(socket: &mut impl Read, buffer: &mut [u8]) -> Result<usize, String> {
    match socket.read(buffer) {
        Ok(0) => Err(END_OF_STREAM.to_owned()),
        Ok(count) => Ok(count),
        Err(error) if is_passing(&error) => Ok(0),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether it is worth trying again.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}
