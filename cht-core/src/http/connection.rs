//! One client.

use std::{
    io::{self, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags};

use super::answer::{Answer, Body, Content, Service, answer};
use crate::{live::Bytes, net::is_passing};

/// Longest time for a request and a document.
const LIMIT: Duration = Duration::from_secs(2);

/// Longest time for which a client of a stream takes nothing that waits for it.
const STALLED: Duration = Duration::from_secs(120);

/// Length of the longest request, in bytes.
const HEAD: usize = 8 << 10;

/// Buffer of the system for a client of a stream, in bytes: what waits there cannot be left out.
const SEND_BUFFER: usize = 256 << 10;

/// A connected client.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    /// The request, as far as it was received.
    request: Vec<u8>,
    /// Bytes to send, and the number of those that were sent. Empty until the request is complete.
    bytes: Arc<[u8]>,
    sent: usize,
    /// What comes after them.
    stream: Option<Box<dyn Body>>,
    /// `None` for a stream whose client takes what there is.
    deadline: Option<Instant>,
}

impl Connection {
    pub(super) fn new(socket: TcpStream, now: Instant) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            request: Vec::new(),
            bytes: Arc::from([]),
            sent: 0,
            stream: None,
            deadline: Some(now + LIMIT),
        })
    }

    /// Returns when it has to be done, or to take more; `None` for a stream whose client does.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Tells whether nothing of a request has come yet.
    pub(super) fn is_silent(&self) -> bool {
        self.request.is_empty()
    }

    pub(super) fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    pub(super) fn descriptor(&self) -> PollFd<'_> {
        let flags = if self.sent < self.bytes.len() {
            PollFlags::OUT
        } else if self.is_stream() {
            // A client that goes is readable, at its end.
            PollFlags::IN | PollFlags::RDHUP
        } else {
            PollFlags::IN
        };
        PollFd::new(&self.socket, flags)
    }

    /// Continues to read or to write. Returns whether all is done. Without room for a stream, one
    /// that is asked for is refused.
    pub(super) fn step(
        &mut self,
        service: &mut dyn Service,
        has_room: bool,
        now: Instant,
    ) -> io::Result<bool> {
        if self.bytes.is_empty() || (self.is_stream() && self.sent == self.bytes.len()) {
            let Some(read) = self.read()? else { return Ok(true) };
            if self.is_stream() {
                // What a client says after its request means nothing.
                self.request.clear();
            } else if read == 0 || !self.begin(service, has_room, now) {
                return Ok(false);
            }
        }
        self.write(now)
    }

    /// Reads a part of the request. `None` at its end.
    fn read(&mut self) -> io::Result<Option<usize>> {
        let mut buffer = [0; 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => Ok(None),
            Ok(count) => {
                self.request.extend_from_slice(&buffer[..count]);
                Ok(Some(count))
            }
            Err(error) if is_passing(&error) => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Begins the answer, if the request is complete.
    fn begin(&mut self, service: &mut dyn Service, has_room: bool, now: Instant) -> bool {
        let too_long = || Answer::status("431 Request Header Fields Too Large");
        let answer = answer(&self.request, service, now)
            .or_else(|| (self.request.len() >= HEAD).then(too_long));
        let Some(mut answer) = answer else { return false };
        if !has_room && matches!(answer.content, Content::Stream(_)) {
            answer = Answer::busy();
        }
        let mut bytes = answer.head().into_bytes();
        let has_body = !self.request.starts_with(b"HEAD ");
        match answer.content {
            Content::Document(text) if has_body => bytes.extend(text),
            Content::Stream(stream) if has_body => {
                // A larger one is no error: the client is then later.
                let _ =
                    rustix::net::sockopt::set_socket_send_buffer_size(&self.socket, SEND_BUFFER);
                let _ = self.socket.set_nodelay(true);
                (self.stream, self.deadline) = (Some(stream), None);
            }
            _ => {}
        }
        self.bytes = bytes.into();
        true
    }

    /// Writes as much as the client takes. Returns whether all is done.
    fn write(&mut self, now: Instant) -> io::Result<bool> {
        loop {
            while self.sent < self.bytes.len() {
                match self.socket.write(&self.bytes[self.sent..]) {
                    Ok(count) => {
                        self.sent += count;
                        if self.is_stream() {
                            self.deadline = None;
                        }
                    }
                    Err(error) if is_passing(&error) => {
                        self.deadline.get_or_insert(now + STALLED);
                        return Ok(false);
                    }
                    Err(error) => return Err(error),
                }
            }
            let next = self.stream.as_mut().map_or(Bytes::Ended, |stream| stream.next(now));
            match next {
                Bytes::Some(bytes) => (self.bytes, self.sent) = (bytes, 0),
                Bytes::None => return Ok(false),
                Bytes::Ended => {
                    self.socket.shutdown(Shutdown::Write)?;
                    return Ok(true);
                }
            }
        }
    }

    /// Continues a stream that waits for its source. Returns whether all is done.
    pub(super) fn pump(&mut self, now: Instant) -> io::Result<bool> {
        if self.is_stream() && self.sent == self.bytes.len() {
            return self.write(now);
        }
        self.stream.iter_mut().for_each(|stream| stream.waits(now));
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::{http::Request, process::clock};

    /// A stream without an end.
    #[derive(Debug)]
    struct Endless;

    impl Body for Endless {
        fn next(&mut self, _: Instant) -> Bytes {
            Bytes::Some(vec![0; 1 << 16].into())
        }
    }

    struct Streams;

    impl Service for Streams {
        fn answer(&mut self, _: &Request<'_>, _: Instant) -> Answer {
            Answer::stream("video/mp2t", Box::new(Endless))
        }
    }

    #[test]
    fn viewer_that_takes_nothing_has_to_go_and_one_that_goes_on_may_stay() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut viewer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        viewer.write_all(b"GET /live.ts HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let began = clock::monotonic();
        let mut connection = Connection::new(listener.accept().unwrap().0, began).unwrap();
        let after = |seconds| began + Duration::from_secs(seconds);
        while !connection.is_stream() {
            assert!(!connection.step(&mut Streams, true, began).unwrap());
        }
        // It takes what the buffers of the system hold.
        while connection.deadline().is_none() {
            connection.step(&mut Streams, true, began).unwrap();
        }
        connection.step(&mut Streams, true, after(90)).unwrap();
        assert_eq!(connection.deadline(), Some(began + STALLED));
        viewer.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let mut buffer = vec![0; 1 << 20];
        while viewer.read(&mut buffer).is_ok() {}
        connection.step(&mut Streams, true, after(100)).unwrap();
        assert!(connection.deadline().is_none_or(|limit| limit == after(100) + STALLED));
    }
}
