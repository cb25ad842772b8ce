//! The door: who is let in. Nothing here blocks, so that nobody at the door disturbs who is inside.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use cht_core::report::Limited;
use rustix::event::{PollFd, PollFlags};
use rustls::ServerConfig;

use crate::{
    allow::{self, Cidr},
    candidates::{Candidates, FOREIGN},
    sender::{self, Sender},
    source::Source,
    tls::Tls,
};

/// Connections that are accepted in one go, while the system holds them for us.
const ACCEPTS: usize = 32;

/// Connections that the system holds until they are accepted: a flood must not fill the queue, for the system lets a
/// sender that finds it full wait for a second. `net.core.somaxconn` bounds it.
const BACKLOG: i32 = 4096;

/// At most one message of a kind in this time.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How long a listener that fails is left alone: mostly this process has too many files open.
const REST: Duration = Duration::from_secs(1);

/// A listener and those who are not let in yet.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    networks: Vec<Cidr>,
    /// What TLS needs, and how long a handshake may take.
    tls: Option<(Arc<ServerConfig>, Duration)>,
    candidates: Candidates,
    keepalive: Duration,
    /// When a listener that failed is tried again.
    resting: Option<Instant>,
    strangers: Limited,
    seconds: Limited,
    failures: Limited,
}

impl Source for Door {
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        if self.resting.is_none() {
            descriptors.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        self.candidates.descriptors(descriptors);
    }

    /// When somebody has to go or can be let in, or the listener is tried again.
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

impl Door {
    /// Lets in from `networks`; with `tls`, only after a handshake that takes no longer than its limit. `keepalive` is
    /// for [`sender::prepare`], `patience` for [`Candidates::new`].
    pub(crate) fn new(
        listener: TcpListener,
        networks: Vec<Cidr>,
        keepalive: Duration,
        patience: Option<Duration>,
        tls: Option<(ServerConfig, Duration)>,
    ) -> Self {
        let limited = || Limited::new(SAY_EVERY);
        // Only a longer queue is asked for.
        let _ = rustix::net::listen(&listener, BACKLOG);
        Self {
            listener,
            networks,
            tls: tls.map(|(config, limit)| (Arc::new(config), limit)),
            candidates: Candidates::new(patience),
            keepalive,
            resting: None,
            strangers: limited(),
            seconds: limited(),
            failures: limited(),
        }
    }

    /// Takes in those who have come, and looks who of them can be let in.
    fn look(&mut self, now: Instant, taken: bool) {
        if self.resting.is_some_and(|until| until <= now) {
            self.resting = None;
        }
        self.candidates.look(now);
        // Those who have come first are let in first; the system holds the others.
        let accepts = if !taken && self.candidates.has_ready() { 0 } else { ACCEPTS };
        for _ in 0..accepts {
            if self.resting.is_some() {
                break;
            }
            match self.listener.accept() {
                Ok((socket, peer)) => self.receive(socket, peer, now, taken),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The peer has gone again before it was served.
                Err(error) if sender::is_passing(&error) => {}
                Err(error) => {
                    self.failures.note(now, format_args!("nobody can be let in for now: {error}"));
                    self.resting = Some(now + REST);
                }
            }
        }
        self.candidates.look(now);
    }

    /// Takes in who has come, if it may send.
    fn receive(&mut self, socket: TcpStream, peer: SocketAddr, now: Instant, taken: bool) {
        if !allow::allows(&self.networks, peer.ip()) {
            let message = format_args!("{peer} was sent away: --allow does not name its address");
            return self.strangers.note(now, message);
        }
        if taken {
            return self.send_away(now, &peer.to_string());
        }
        if let Err(error) = sender::prepare(&socket, self.keepalive) {
            return self.failures.note(now, format_args!("{peer} has gone again: {error}"));
        }
        let (name, origin) = (peer.to_string(), peer.ip());
        match &self.tls {
            None => self.candidates.plain(name, Some(origin), OwnedFd::from(socket).into(), now),
            Some((config, limit)) => match Tls::new(socket, config) {
                Ok(tls) => self.candidates.tls(name, origin, tls, now, now + *limit),
                Err(error) => self.failures.note(now, format_args!("{peer}: {error}")),
            },
        }
    }

    fn send_away(&mut self, now: Instant, peer: &str) {
        let message = format_args!(
            "{peer} was sent away: another sender is connected (--second-sender replace would change over)"
        );
        self.seconds.note(now, message);
    }
}
