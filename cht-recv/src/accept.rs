//! The door: who is let in. Nothing here blocks, so that nobody at the door disturbs who is inside.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use cht_core::report::Limited;
use rustix::event::{PollFd, PollFlags};
use rustls::ServerConfig;

use crate::{
    allow::{self, Cidr},
    sender::{self, Sender},
    source::Source,
    tls::{Handshake, Tls},
};

/// Handshakes at a time. One more ends the oldest: who means it is done within a few round trips.
const HANDSHAKES: usize = 32;

/// At most one message of a kind in this time.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// How long a listener that fails is left alone: mostly this process has too many files open.
const REST: Duration = Duration::from_secs(1);

/// A listener and those who are not let in yet.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    networks: Vec<Cidr>,
    tls: Option<Handshaking>,
    keepalive: Duration,
    /// When a listener that failed is tried again.
    resting: Option<Instant>,
    strangers: Limited,
    seconds: Limited,
    failures: Limited,
}

#[derive(Debug)]
struct Handshaking {
    config: Arc<ServerConfig>,
    limit: Duration,
    /// Oldest first: address, deadline.
    going: Vec<(Box<Tls>, SocketAddr, Instant)>,
    buffer: Vec<u8>,
}

impl Source for Door {
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        if self.resting.is_none() {
            descriptors.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        if let Some(tls) = &self.tls {
            descriptors.extend(tls.going.iter().map(|(tls, ..)| tls.descriptor()));
        }
    }

    /// When somebody has to go, or the listener is tried again.
    fn deadline(&self) -> Option<Instant> {
        let oldest = self.tls.as_ref().and_then(|tls| tls.going.first());
        oldest.map(|(.., deadline)| *deadline).into_iter().chain(self.resting).min()
    }

    fn admit(&mut self, now: Instant, taken: bool) -> Result<Option<Sender>> {
        if self.resting.is_some_and(|until| until <= now) {
            self.resting = None;
        }
        if let Some((socket, peer)) = self.accept(now, taken) {
            match &mut self.tls {
                None => return Ok(Some(Sender::plain(peer.to_string(), socket.into()))),
                Some(tls) => match Tls::new(socket, &tls.config) {
                    Ok(begun) => tls.going.push((Box::new(begun), peer, now + tls.limit)),
                    Err(error) => self.failures.note(now, format_args!("{peer}: {error}")),
                },
            }
        }
        let Some((tls, peer)) = self.shake(now) else { return Ok(None) };
        if taken {
            self.send_away(now, peer);
            return Ok(None);
        }
        Ok(Some(Sender::tls(peer.to_string(), tls)))
    }
}

impl Door {
    /// Lets in from `networks`; with `tls`, only after a handshake that takes no longer than its limit. `keepalive` is
    /// for [`sender::prepare`].
    pub(crate) fn new(
        listener: TcpListener,
        networks: Vec<Cidr>,
        keepalive: Duration,
        tls: Option<(ServerConfig, Duration)>,
    ) -> Self {
        let limited = || Limited::new(SAY_EVERY);
        let tls = tls.map(|(config, limit)| Handshaking {
            config: Arc::new(config),
            limit,
            going: Vec::new(),
            buffer: vec![0; 1 << 14],
        });
        Self {
            listener,
            networks,
            tls,
            keepalive,
            resting: None,
            strangers: limited(),
            seconds: limited(),
            failures: limited(),
        }
    }

    /// The next one who may send.
    fn accept(&mut self, now: Instant, taken: bool) -> Option<(TcpStream, SocketAddr)> {
        if self.resting.is_some() {
            return None;
        }
        let (socket, peer) = match self.listener.accept() {
            Ok(accepted) => accepted,
            // The peer has gone again before it was served.
            Err(error) if sender::is_passing(&error) => return None,
            Err(error) => {
                self.failures.note(now, format_args!("nobody can be let in for now: {error}"));
                self.resting = Some(now + REST);
                return None;
            }
        };
        if !allow::allows(&self.networks, peer.ip()) {
            let message = format_args!("{peer} was sent away: --allow does not name its address");
            self.strangers.note(now, message);
            return None;
        }
        if taken {
            self.send_away(now, peer);
            return None;
        }
        match sender::prepare(&socket, self.keepalive) {
            Ok(()) => Some((socket, peer)),
            Err(error) => {
                self.failures.note(now, format_args!("{peer} has gone again: {error}"));
                None
            }
        }
    }

    fn send_away(&mut self, now: Instant, peer: SocketAddr) {
        let message = format_args!(
            "{peer} was sent away: another sender is connected (--second-sender replace would change over)"
        );
        self.seconds.note(now, message);
    }

    /// Goes on with the handshakes; the first one that is done.
    fn shake(&mut self, now: Instant) -> Option<(Box<Tls>, SocketAddr)> {
        let Handshaking { going, buffer, .. } = self.tls.as_mut()?;
        let mut n = 0;
        while let Some((tls, peer, deadline)) = going.get_mut(n) {
            let failure = match tls.shake(buffer) {
                Handshake::Done => {
                    let (tls, peer, _) = going.remove(n);
                    return Some((tls, peer));
                }
                Handshake::Failed(reason) => reason,
                Handshake::Going if *deadline <= now => "it took too long".to_owned(),
                Handshake::Going => {
                    n += 1;
                    continue;
                }
            };
            self.failures.note(now, format_args!("TLS handshake with {peer} failed: {failure}"));
            going.remove(n);
        }
        if going.len() > HANDSHAKES {
            let (_, peer, _) = going.remove(0);
            let failure = "too many others came after it";
            self.failures.note(now, format_args!("TLS handshake with {peer} failed: {failure}"));
        }
        None
    }
}
