//! The listener, and all of its clients.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    thread,
    time::Instant,
};

use rustix::event::{PollFd, PollFlags};

use super::{answer::Service, connection::Connection};
use crate::{
    live::Wake,
    net::{self, RETRY_AFTER, is_passing},
    process::clock,
};

/// Limit of clients that were not answered yet. One more ends another.
const CLIENTS: usize = 32;

/// Limit of clients of streams. One more is refused.
const STREAMS: usize = 64;

/// Why an address cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It is no address.
    #[error("{0} {1}: must be HOST:PORT, as {2}: {3}")]
    Address(&'static str, String, &'static str, io::Error),
    /// The system refuses it.
    #[error("{0} {1}: cannot listen on {2}; is another program listening there?: {3}")]
    Listen(&'static str, String, SocketAddr, io::Error),
}

/// Listens at `HOST:PORT`, the value of `option`; without a host, at the loopback address. Says so,
/// with the `consequence`, if every machine can connect.
pub fn bind(
    option: &'static str,
    place: &str,
    example: &'static str,
    (path, consequence): (&str, &str),
) -> Result<TcpListener, BindError> {
    let named = || place.to_owned();
    let address =
        net::resolve(place).map_err(|error| BindError::Address(option, named(), example, error))?;
    let listener = TcpListener::bind(address)
        .map_err(|error| BindError::Listen(option, named(), address, error))?;
    net::tell_if_open(&format!("http://{address}{path}"), address.ip(), consequence);
    Ok(listener)
}

/// Serves clients on a thread of its own, as long as the process lives. `wake` is woken when
/// streams have more bytes.
pub fn serve(
    listener: TcpListener,
    service: impl Service,
    wake: Option<Wake>,
    name: &str,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let service = Box::new(service);
    let server = Server { listener, resting: None, clients: Vec::new(), service, wake };
    thread::Builder::new().name(name.to_owned()).spawn(move || server.run())?;
    Ok(())
}

/// A listener and its clients, oldest first.
struct Server {
    listener: TcpListener,
    /// When a failed listener is tried again.
    resting: Option<Instant>,
    clients: Vec<Connection>,
    service: Box<dyn Service>,
    wake: Option<Wake>,
}

impl Server {
    fn run(mut self) {
        loop {
            let (ready, is_woken) = self.wait();
            let now = clock::monotonic();
            for at in ready.into_iter().rev() {
                // A client that was answered or has gone is done with.
                let has_room = self.streams() < STREAMS;
                let stepped = self.clients[at].step(&mut *self.service, has_room, now);
                if !matches!(stepped, Ok(false)) {
                    self.clients.remove(at);
                }
            }
            if is_woken {
                self.wake.iter().for_each(Wake::clear);
                self.clients.retain_mut(|client| matches!(client.pump(now), Ok(false)));
            }
            self.clients.retain(|client| client.deadline().is_none_or(|limit| now < limit));
            self.accept(now);
        }
    }

    /// Waits until something can be done. Returns the indexes of the clients that can continue, and
    /// whether streams have more bytes.
    fn wait(&self) -> (Vec<usize>, bool) {
        let limits = self.clients.iter().filter_map(Connection::deadline);
        let limit = limits.chain(self.resting).min();
        let mut descriptors: Vec<_> = self.clients.iter().map(Connection::descriptor).collect();
        let count = descriptors.len();
        descriptors.extend(self.wake.iter().map(|wake| PollFd::new(wake, PollFlags::IN)));
        let listener = PollFd::new(&self.listener, PollFlags::IN);
        descriptors.extend(self.resting.is_none().then_some(listener));
        if clock::wait_ready(&mut descriptors, limit).is_err() {
            clock::rest(RETRY_AFTER);
        }
        let is_ready = |at: &usize| !descriptors[*at].revents().is_empty();
        ((0..count).filter(is_ready).collect(), self.wake.is_some() && is_ready(&count))
    }

    /// Accepts clients, until there is no room: those that have asked meanwhile are answered before
    /// another one is ended.
    fn accept(&mut self, now: Instant) {
        if self.resting.is_some_and(|until| until > now) {
            return;
        }
        self.resting = None;
        for _ in 0..CLIENTS {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_passing(&error) => continue,
                Err(_) => {
                    self.resting = Some(now + RETRY_AFTER);
                    return;
                }
            };
            if let Ok(client) = Connection::new(socket, now) {
                self.clients.push(client);
            }
            if !self.make_room() {
                return;
            }
        }
    }

    /// Ends a client without an answer if there are too many: the oldest without a request, or else
    /// the oldest. The newest is among those without a request, and stays. Returns whether there is
    /// room for another.
    fn make_room(&mut self) -> bool {
        let others = self.clients.len() - self.streams();
        if others <= CLIENTS {
            return others < CLIENTS;
        }
        let newest = self.clients.len() - 1;
        let is_document = |client: &Connection| !client.is_stream();
        let silent = |client: &Connection| is_document(client) && client.is_silent();
        let oldest = self.clients.iter().position(silent).filter(|at| *at < newest);
        if let Some(at) = oldest.or_else(|| self.clients.iter().position(is_document)) {
            self.clients.remove(at);
        }
        false
    }

    fn streams(&self) -> usize {
        self.clients.iter().filter(|client| client.is_stream()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        http::{Answer, Body, Request},
        live::Bytes,
    };
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    /// A stream of one byte, and another when it has ended.
    #[derive(Debug)]
    struct Short {
        has_ended: Arc<AtomicBool>,
        sent: u8,
    }

    impl Body for Short {
        fn next(&mut self, _: Instant) -> Bytes {
            let last = 1 + u8::from(self.has_ended.load(Ordering::Relaxed));
            if self.sent < last {
                self.sent += 1;
                return Bytes::Some([b'0' + self.sent].into());
            }
            if last == 2 { Bytes::Ended } else { Bytes::None }
        }
    }

    struct Streams(Arc<AtomicBool>);

    impl Service for Streams {
        fn answer(&mut self, request: &Request<'_>, _: Instant) -> Answer {
            if request.path == "/document" {
                return Answer::document("text/plain", "text");
            }
            let has_ended = Arc::clone(&self.0);
            Answer::stream("video/mp2t", Box::new(Short { has_ended, sent: 0 }))
        }
    }

    #[test]
    fn stream_too_many_is_refused_and_none_is_ended() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (has_ended, wake) = (Arc::new(AtomicBool::new(false)), Wake::new().unwrap());
        serve(listener, Streams(Arc::clone(&has_ended)), Some(wake.clone()), "test").unwrap();
        let ask = |path: &str| {
            let mut client = TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
            write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            client
        };
        let head = |client: &mut TcpStream| {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            String::from_utf8(head).unwrap()
        };
        // All at once.
        let mut clients: Vec<_> = (0..STREAMS + 6).map(|_| ask("/live.ts")).collect();
        let heads: Vec<_> = clients.iter_mut().map(head).collect();
        let is_served = |head: &String| head.starts_with("HTTP/1.1 200 OK\r\n");
        assert_eq!(heads.iter().filter(|head| is_served(head)).count(), STREAMS);
        for head in heads.iter().filter(|head| !is_served(head)) {
            assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{head}");
            assert!(head.contains("\r\nRetry-After: 10\r\n"), "{head}");
        }
        assert!(is_served(&head(&mut ask("/document"))), "documents have room of their own");
        // All that were served still are.
        has_ended.store(true, Ordering::Relaxed);
        wake.wake();
        for (mut client, _) in clients.into_iter().zip(&heads).filter(|(_, it)| is_served(it)) {
            let mut shown = String::new();
            client.read_to_string(&mut shown).unwrap();
            assert_eq!(shown, "12");
        }
        // Their places are free again.
        assert!(is_served(&head(&mut ask("/live.ts"))));
    }
}
