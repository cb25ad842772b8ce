//! A connected sender and its stream of bytes. Nothing here blocks.

use std::{
    fmt::Debug,
    fs::File,
    io::{self, Read},
    net::TcpStream,
    time::Duration,
};

use anyhow::Result;
use cht_core::process::clock;
use rustix::{
    event::{PollFd, PollFlags},
    net::sockopt,
};

use cht_core::net::is_passing;

/// Probes that the system sends to a silent sender's machine before it gives up.
const PROBES: u32 = 3;

/// Reason of a connection that ended in order.
pub(crate) const END_OF_STREAM: &str = "end of stream";

/// A connected sender.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Its address, or its process where it has none.
    pub peer: String,
    pub stream: Box<dyn Stream>,
}

/// The bytes of a sender, without whatever they are wrapped in. Nothing here blocks.
pub(crate) trait Stream: Debug {
    /// Takes the bytes that have arrived, with one read of at most `buffer`.
    fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a>;

    /// Passes the bytes that are held back to `record`, before the sender is given up.
    fn finish(&mut self, _buffer: &mut [u8], _record: &mut Write<'_>) -> Result<()> {
        Ok(())
    }

    /// Returns the descriptor to poll, and the events to wait for.
    fn interest(&self) -> PollFd<'_>;

    /// Returns the number of bytes that were received before it became a sender and are not taken
    /// yet.
    fn held(&self) -> u64 {
        0
    }
}

/// A connection that is not a sender yet: it takes part in a handshake, and shows its first bytes.
pub(crate) trait Incoming: Stream {
    /// Takes the bytes that have arrived, with one read of at most `buffer`.
    fn advance(&mut self, buffer: &mut [u8]) -> Handshake;

    /// Returns whether the handshake goes on.
    fn is_handshaking(&self) -> bool {
        false
    }

    /// Returns the first bytes, which [`Stream::receive`] will hand out.
    fn first(&self) -> &[u8];

    /// Returns whether nothing more will come.
    fn has_ended(&self) -> bool;
}

/// State of a handshake.
#[derive(Debug)]
pub(crate) enum Handshake {
    Going,
    Done,
    Failed(String),
}

/// Writes bytes into the recording.
pub(crate) type Write<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// A connected socket or a pipe, with plain bytes.
#[derive(Debug)]
pub(crate) struct Plain {
    file: File,
    /// Bytes that were received before it was let in.
    first: Vec<u8>,
    /// Whether `first` was handed out.
    taken: bool,
    /// Whether the end was found before it was let in.
    ended: bool,
}

impl Plain {
    /// Wraps a socket or a pipe.
    pub(crate) fn new(socket: impl Into<File>) -> Self {
        Self { file: socket.into(), first: Vec::new(), taken: false, ended: false }
    }
}

impl Incoming for Plain {
    fn advance(&mut self, buffer: &mut [u8]) -> Handshake {
        match read(&mut self.file, buffer) {
            Ok(count) => self.first.extend_from_slice(&buffer[..count]),
            Err(_) => self.ended = true,
        }
        Handshake::Done
    }

    fn first(&self) -> &[u8] {
        &self.first
    }

    fn has_ended(&self) -> bool {
        self.ended
    }
}

impl Stream for Plain {
    fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a> {
        if !std::mem::replace(&mut self.taken, true) && !self.first.is_empty() {
            return Received { bytes: &self.first, raw: self.first.len(), end: None };
        }
        self.first = Vec::new();
        Received::of(read(&mut self.file, buffer), buffer)
    }

    fn interest(&self) -> PollFd<'_> {
        PollFd::new(&self.file, PollFlags::IN)
    }

    fn held(&self) -> u64 {
        if self.taken { 0 } else { self.first.len() as u64 }
    }
}

/// Result of receiving from a sender.
#[derive(Debug, Default)]
pub(crate) struct Received<'a> {
    /// Bytes to record, also if the connection ended.
    pub bytes: &'a [u8],
    /// Number of bytes that the socket gave for them.
    pub raw: usize,
    /// Reason why nothing more will come.
    pub end: Option<String>,
}

impl<'a> Received<'a> {
    /// Wraps the result of a read into `buffer`.
    pub(crate) fn of(read: Result<usize, String>, buffer: &'a [u8]) -> Self {
        match read {
            Ok(raw) => Self { bytes: &buffer[..raw], raw, end: None },
            Err(end) => Self { end: Some(end), ..Self::default() },
        }
    }
}

impl Sender {
    /// Creates a sender that sends `stream`.
    pub(crate) fn new(peer: String, stream: impl Stream + 'static) -> Self {
        Self { peer, stream: Box::new(stream) }
    }

    /// Returns the number of bytes that have arrived and were not taken.
    pub(crate) fn arrived(&self) -> u64 {
        self.stream.held() + rustix::io::ioctl_fionread(self.stream.interest()).unwrap_or(0)
    }

    /// Returns whether the sender will send no more, even if some of its bytes are not taken yet.
    pub(crate) fn has_hung_up(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let interest = self.stream.interest();
        let mut descriptors = [PollFd::new(&interest, gone)];
        clock::wait_ready(&mut descriptors, Some(clock::monotonic())).is_ok()
            && descriptors[0].revents().intersects(gone)
    }
}

/// Sets up an accepted socket. A sender's machine that vanishes is noticed after `keepalive`, in
/// whole seconds: half of it in silence, then probes for the rest.
pub(crate) fn prepare(socket: &TcpStream, keepalive: Duration) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    let interval = Duration::from_secs((keepalive / 2 / PROBES).as_secs().max(1));
    sockopt::set_tcp_keepidle(socket, keepalive.saturating_sub(interval * PROBES))?;
    sockopt::set_tcp_keepintvl(socket, interval)?;
    sockopt::set_tcp_keepcnt(socket, PROBES)?;
    Ok(())
}

/// Reads once. Returns the number of bytes, which may be 0, or the reason why nothing more will
/// come.
pub(crate) fn read(socket: &mut impl Read, buffer: &mut [u8]) -> Result<usize, String> {
    match socket.read(buffer) {
        Ok(0) => Err(END_OF_STREAM.to_owned()),
        Ok(count) => Ok(count),
        Err(error) if is_passing(&error) => Ok(0),
        Err(error) => Err(error.to_string()),
    }
}
