//! TCP connections, with or without TLS, from addresses that may send.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::{Duration, Instant},
};

use cht_core::process::report::Limited;
use rustls::ServerConfig;

use super::{
    allow::{self, Cidr},
    candidates::Candidate,
    listener::Listener,
    sender::{self, Plain},
    tls::Tls,
};

/// Length of the system's accept queue: a flood must not fill it, because the system makes a sender
/// that finds it full wait for a second. `net.core.somaxconn` bounds it.
const BACKLOG: i32 = 4096;

/// A listening TCP socket.
#[derive(Debug)]
pub(crate) struct Tcp {
    listener: TcpListener,
    networks: Vec<Cidr>,
    /// Configuration of TLS, and the time limit of a handshake.
    tls: Option<(Arc<ServerConfig>, Duration)>,
    keepalive: Duration,
    strangers: Limited,
    failures: Limited,
}

impl Tcp {
    /// Accepts connections from `networks`; with `tls`, only after a handshake within its time
    /// limit. `keepalive` is for [`sender::prepare`].
    pub(crate) fn new(
        listener: TcpListener,
        networks: Vec<Cidr>,
        keepalive: Duration,
        tls: Option<(ServerConfig, Duration)>,
    ) -> Self {
        // A failure only means a shorter queue.
        let _ = rustix::net::listen(&listener, BACKLOG);
        let tls = tls.map(|(config, limit)| (Arc::new(config), limit));
        Self {
            listener,
            networks,
            tls,
            keepalive,
            strangers: Limited::default(),
            failures: Limited::default(),
        }
    }

    /// Sets up a connection from an address that may send.
    fn prepare(&self, socket: TcpStream, peer: SocketAddr, now: Instant) -> io::Result<Candidate> {
        sender::prepare(&socket, self.keepalive)?;
        let (name, origin) = (peer.to_string(), Some(peer.ip()));
        Ok(match &self.tls {
            None => Candidate::new(name, origin, Plain::new(OwnedFd::from(socket)), None),
            Some((config, limit)) => {
                let tls = Tls::new(socket, config).map_err(io::Error::other)?;
                Candidate::new(name, origin, tls, Some(now + *limit))
            }
        })
    }
}

impl Listener for Tcp {
    fn accept(&mut self, now: Instant) -> io::Result<Option<Candidate>> {
        let (socket, peer) = self.listener.accept()?;
        if !allow::allows(&self.networks, peer.ip()) {
            let message = format_args!("{peer} was sent away: --allow does not name its address");
            self.strangers.note(now, message);
            return Ok(None);
        }
        match self.prepare(socket, peer, now) {
            Ok(candidate) => Ok(Some(candidate)),
            Err(error) => {
                self.failures.note(now, format_args!("{peer} has gone again: {error}"));
                Ok(None)
            }
        }
    }
}

impl AsFd for Tcp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}
