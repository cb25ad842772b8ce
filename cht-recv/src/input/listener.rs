//! A listening socket and the connections that are not let in yet. Nothing here blocks, so that no
//! waiting connection disturbs the sender that is served.

use std::{
    fmt::Debug,
    io,
    os::fd::AsFd,
    time::{Duration, Instant},
};

use anyhow::Result;
use cht_core::process::report::Limited;
use rustix::event::{PollFd, PollFlags};

use super::{
    candidates::{Candidate, Candidates},
    sender::Sender,
    source::Source,
};
use cht_core::net::{RETRY_AFTER, is_passing};

/// Connections accepted per call, while the system holds the others.
const ACCEPTS: usize = 32;

/// A listening socket of one kind.
pub(crate) trait Listener: AsFd + Debug {
    /// Accepts a connection. Returns `None`, after a message, if it may not send; an error of kind
    /// `WouldBlock` if none waits.
    fn accept(&mut self, now: Instant) -> io::Result<Option<Candidate>>;
}

/// A listener and its waiting connections.
#[derive(Debug)]
pub(crate) struct SocketSource<L> {
    listener: L,
    candidates: Candidates,
    /// When a failed listener is tried again.
    resting: Option<Instant>,
    seconds: Limited,
    failures: Limited,
}

impl<L: Listener> SocketSource<L> {
    /// Lets in connections of `listener`. `patience` is for [`Candidates::new`].
    pub(crate) fn new(listener: L, patience: Option<Duration>) -> Self {
        let candidates = Candidates::new(patience);
        Self {
            listener,
            candidates,
            resting: None,
            seconds: Limited::default(),
            failures: Limited::default(),
        }
    }

    /// Accepts connections, and advances those that wait.
    fn look(&mut self, now: Instant, taken: bool) {
        if self.resting.is_some_and(|until| until <= now) {
            self.resting = None;
        }
        self.candidates.look(now);
        // First come, first served; the system holds the others.
        let accepts = if !taken && self.candidates.has_ready() { 0 } else { ACCEPTS };
        for _ in 0..accepts {
            if self.resting.is_some() {
                break;
            }
            match self.listener.accept(now) {
                Ok(Some(candidate)) if taken => self.send_away(now, candidate.peer()),
                Ok(Some(candidate)) => self.candidates.push(candidate, now),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The peer has left before it was served.
                Err(error) if is_passing(&error) => {}
                Err(error) => {
                    self.failures
                        .note(now, format_args!("no connection can be accepted for now: {error}"));
                    self.resting = Some(now + RETRY_AFTER);
                }
            }
        }
        self.candidates.look(now);
    }

    fn send_away(&mut self, now: Instant, peer: &str) {
        let message = format_args!(
            "{peer} was sent away: another sender is connected (--second-sender replace would change over)"
        );
        self.seconds.note(now, message);
    }
}

impl<L: Listener> Source for SocketSource<L> {
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        if self.resting.is_none() {
            descriptors.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        self.candidates.descriptors(descriptors);
    }

    /// Returns when a connection has to leave or can be let in, or the listener is tried again.
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
        self.candidates.complaint()
    }
}
