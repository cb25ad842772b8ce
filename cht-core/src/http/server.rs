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

/// Limit of clients of streams. One more is sent away.
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
                if !matches!(self.clients[at].step(&mut *self.service, now), Ok(false)) {
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

    /// Accepts clients. One too many ends the oldest without a request, or else the oldest.
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
            self.make_room();
        }
    }

    /// Ends a client if there are too many. The newest is among those without a request, and stays.
    fn make_room(&mut self) {
        let streams = self.clients.iter().filter(|client| client.is_stream()).count();
        let others = self.clients.len() - streams;
        let newest = self.clients.len().saturating_sub(1);
        let excess = |client: &Connection| streams > STREAMS && client.is_stream();
        let silent = |client: &Connection| !client.is_stream() && client.is_silent();
        let mut end = |which: &dyn Fn(&Connection) -> bool| {
            let at = self.clients.iter().position(which).filter(|at| *at < newest);
            at.map(|at| self.clients.remove(at)).is_some()
        };
        if others > CLIENTS && !end(&silent) {
            end(&|client| !client.is_stream());
        }
        end(&excess);
    }
}
