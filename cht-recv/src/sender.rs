//! A connected sender: its bytes, whatever they come wrapped in. Nothing here blocks.

use std::{
    io::{self, Read as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use cht_core::clock;
use rustix::{
    event::{PollFd, PollFlags},
    net::sockopt,
};

use crate::tls::Tls;

/// A sender that has gone without a word is noticed after `IDLE` + `PROBES` × `INTERVAL`: a minute.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_PROBES: u32 = 3;

/// The reason of a connection that ended as it should.
pub(crate) const END_OF_STREAM: &str = "end of stream";

/// A connected sender.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Its address.
    pub peer: SocketAddr,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Plain(TcpStream),
    Tls(Box<Tls>),
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

impl Sender {
    /// A sender whose bytes come as they are.
    pub(crate) fn plain(peer: SocketAddr, socket: TcpStream) -> Self {
        Self { peer, socket: Socket::Plain(socket) }
    }

    /// A sender whose handshake is done.
    pub(crate) fn tls(peer: SocketAddr, tls: Box<Tls>) -> Self {
        Self { peer, socket: Socket::Tls(tls) }
    }

    /// Takes what is there, with one read of at most `buffer`.
    pub(crate) fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a> {
        let socket = match &mut self.socket {
            Socket::Plain(socket) => socket,
            Socket::Tls(tls) => return tls.receive(buffer),
        };
        match read(socket, buffer) {
            Ok(raw) => Received { bytes: &buffer[..raw], raw, end: None },
            Err(end) => Received { end: Some(end), ..Received::default() },
        }
    }

    /// Bytes that have arrived on the socket and were not taken.
    pub(crate) fn arrived(&self) -> u64 {
        rustix::io::ioctl_fionread(self.socket()).unwrap_or(0)
    }

    /// Whether the sender will send no more, even if not all that it sent has been taken.
    pub(crate) fn has_hung_up(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let mut descriptors = [PollFd::new(self.socket(), gone)];
        clock::wait_ready(&mut descriptors, Some(clock::monotonic())).is_ok()
            && descriptors[0].revents().intersects(gone)
    }

    /// What to wait for.
    pub(crate) fn descriptor(&self) -> PollFd<'_> {
        match &self.socket {
            Socket::Plain(socket) => PollFd::new(socket, PollFlags::IN),
            Socket::Tls(tls) => tls.descriptor(),
        }
    }

    fn socket(&self) -> &TcpStream {
        match &self.socket {
            Socket::Plain(socket) => socket,
            Socket::Tls(tls) => tls.socket(),
        }
    }
}

/// Sets up a socket that was just accepted.
pub(crate) fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_PROBES)?;
    Ok(())
}

/// One read: how much there was, which may be nothing, or why nothing more will come.
pub(crate) fn read(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<usize, String> {
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
