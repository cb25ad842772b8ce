//! A connected sender: its bytes, whatever they come wrapped in. Nothing here blocks.

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

use crate::net::is_passing;

/// How often the system asks a silent sender's machine whether it is still there.
const PROBES: u32 = 3;

/// The reason of a connection that ended as it should.
pub(crate) const END_OF_STREAM: &str = "end of stream";

/// A connected sender.
#[derive(Debug)]
pub(crate) struct Sender {
    /// Its address, or what else tells who it is.
    pub peer: String,
    pub stream: Box<dyn Stream>,
}

/// The bytes of a sender, whatever they come wrapped in. Nothing here blocks.
pub(crate) trait Stream: Debug {
    /// Takes what has arrived, with one read of at most `buffer`.
    fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a>;

    /// Gives the bytes that are held back to `record`, before the sender is given up.
    fn finish(&mut self, _buffer: &mut [u8], _record: &mut Write<'_>) -> Result<()> {
        Ok(())
    }

    /// Returns the descriptor to poll, and the events to wait for.
    fn interest(&self) -> PollFd<'_>;

    /// Counts the bytes that were received before it became a sender, and are not taken yet.
    fn held(&self) -> u64 {
        0
    }
}

/// A connection that is not a sender yet: it takes part in a handshake, and shows its first bytes.
pub(crate) trait Incoming: Stream {
    /// Takes what has arrived, with one read of at most `buffer`.
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

/// A connected socket, or a pipe, whose bytes come as they are.
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
    pub(crate) fn of(read: Result<usize, String>, buffer: &'a [u8]) -> Self {
        match read {
            Ok(raw) => Self { bytes: &buffer[..raw], raw, end: None },
            Err(end) => Self { end: Some(end), ..Self::default() },
        }
    }
}

impl Sender {
    /// A sender whose bytes come by `stream`.
    pub(crate) fn new(peer: String, stream: impl Stream + 'static) -> Self {
        Self { peer, stream: Box::new(stream) }
    }

    /// Counts the bytes that have arrived and were not taken.
    pub(crate) fn arrived(&self) -> u64 {
        self.stream.held() + rustix::io::ioctl_fionread(self.stream.interest()).unwrap_or(0)
    }

    /// Whether the sender will send no more, even if not all that it sent has been taken.
    pub(crate) fn has_hung_up(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let interest = self.stream.interest();
        let mut descriptors = [PollFd::new(&interest, gone)];
        clock::wait_ready(&mut descriptors, Some(clock::monotonic())).is_ok()
            && descriptors[0].revents().intersects(gone)
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
