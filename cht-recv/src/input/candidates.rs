//! Connections before they become senders: handshakes, and connections that have sent nothing.
//!
//! A connection becomes a sender with its first bytes. Until then it has no number and blocks no
//! other, so that port scanners, browsers and idle connections cannot disturb a recording, in any
//! number. Nothing here blocks.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use cht_core::process::{clock, report::Limited};
use rustix::event::PollFd;

use super::{
    foreign::{self, Verdict},
    refusals::Refusals,
    sender::{Handshake, Incoming, Sender},
};

/// Limit of waiting connections. One more ends another, which [`victim`] chooses.
const WAITING: usize = 256;

/// Connections examined per call: a handshake costs a signature, and the current sender must be
/// read in between.
const STEPS: usize = 16;

/// Bytes received of a connection before it is let in: as many as one read of a sender.
const FIRST: usize = 256 * 1024;

/// Time that first bytes which may still become a foreign protocol are held. They are recorded
/// afterwards.
const DOUBT: Duration = Duration::from_secs(2);

/// Waiting connections, oldest first.
#[derive(Debug)]
pub(crate) struct Candidates {
    waiting: Vec<Candidate>,
    /// Silence after which a connection is closed; `None`: never, while there is room.
    patience: Option<Duration>,
    /// Whether a sender is served, so that none is waited for.
    served: bool,
    buffer: Vec<u8>,
    refusals: Refusals,
    failures: Limited,
}

/// A connection that is not a sender yet.
#[derive(Debug)]
pub(crate) struct Candidate {
    peer: String,
    /// Address of its machine; `None` for this one.
    origin: Option<IpAddr>,
    line: Box<dyn Incoming>,
    progress: Progress,
    deadline: Option<Instant>,
    /// Its first bytes may become those of a foreign protocol, until `deadline`.
    in_doubt: bool,
}

/// Progress of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// It has sent nothing.
    Silent,
    /// It has sent something.
    Begun,
    /// Its first bytes are those of a stream, or it ended without any.
    Ready,
}

/// Outcome of looking at a connection.
enum Step {
    Waits,
    Ready,
    /// It ended before it sent a byte.
    Gone,
    Foreign(&'static str),
    Failed(String),
}

impl Candidates {
    /// Creates an empty list. A connection that is silent for `patience` is closed.
    pub(crate) fn new(patience: Option<Duration>) -> Self {
        Self {
            waiting: Vec::new(),
            patience,
            served: false,
            buffer: vec![0; FIRST],
            refusals: Refusals::default(),
            failures: Limited::default(),
        }
    }

    /// Adds a connection.
    pub(crate) fn push(&mut self, mut candidate: Candidate, now: Instant) {
        candidate.deadline = candidate.deadline.or(self.patience.map(|patience| now + patience));
        self.waiting.push(candidate);
        if self.waiting.len() > WAITING {
            let standing: Vec<_> = self.waiting.iter().map(|c| (c.origin, c.progress)).collect();
            let out = self.waiting.remove(victim(&standing));
            self.fail(now, &out, "too many others came after it");
        }
    }

    /// Adds the descriptors to wait for.
    pub(crate) fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        descriptors.extend(self.undecided().map(|candidate| candidate.line.interest()));
    }

    fn undecided(&self) -> impl Iterator<Item = &Candidate> {
        self.waiting.iter().filter(|candidate| candidate.progress < Progress::Ready)
    }

    /// Returns when to call [`Self::look`] again, even if no descriptor is ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.has_ready() {
            return Some(clock::monotonic());
        }
        self.waiting.iter().filter_map(|candidate| candidate.deadline).min()
    }

    /// Notes whether a sender is served. Meanwhile a connection that ended without a byte is
    /// dropped, because none is waited for.
    pub(crate) fn serve(&mut self, served: bool) {
        self.served = served;
        if served {
            self.waiting.retain(|candidate| !candidate.is_empty());
        }
    }

    /// Returns whether a connection can be let in.
    pub(crate) fn has_ready(&self) -> bool {
        self.waiting.iter().any(|candidate| candidate.progress == Progress::Ready)
    }

    /// Takes the connection that has been ready longest.
    pub(crate) fn take(&mut self) -> Option<Sender> {
        let at = self.waiting.iter().position(|candidate| candidate.progress == Progress::Ready)?;
        let Candidate { peer, line, .. } = self.waiting.remove(at);
        Some(Sender { peer, stream: line })
    }

    /// Returns the message about a refused connection, for an `error` event.
    pub(crate) fn complaint(&mut self) -> Option<(&'static str, String)> {
        self.refusals.take()
    }

    /// Advances the connections that can be read, and those whose time is over.
    pub(crate) fn look(&mut self, now: Instant) {
        for at in self.stirring(now).into_iter().rev() {
            let candidate = &mut self.waiting[at];
            match candidate.step(&mut self.buffer, now, self.patience) {
                Step::Waits => {}
                Step::Gone if self.served => drop(self.waiting.remove(at)),
                Step::Ready | Step::Gone => candidate.progress = Progress::Ready,
                Step::Failed(reason) => {
                    let candidate = self.waiting.remove(at);
                    self.fail(now, &candidate, &reason);
                }
                Step::Foreign(protocol) => {
                    let Candidate { peer, .. } = self.waiting.remove(at);
                    self.refusals.note(now, peer, protocol);
                }
            }
        }
    }

    /// Returns the indexes of connections to look at, in order: readable or overdue, at most
    /// [`STEPS`].
    fn stirring(&self, now: Instant) -> Vec<usize> {
        let mut descriptors: Vec<_> =
            self.undecided().map(|candidate| candidate.line.interest()).collect();
        if descriptors.is_empty() || clock::wait_ready(&mut descriptors, Some(now)).is_err() {
            return Vec::new();
        }
        let places = (self.waiting.iter().enumerate())
            .filter(|(_, candidate)| candidate.progress < Progress::Ready);
        let stirs = places.zip(&descriptors).filter(|((_, candidate), descriptor)| {
            !descriptor.revents().is_empty() || candidate.is_late(now)
        });
        let mut stirring: Vec<_> =
            stirs.map(|((at, candidate), _)| (candidate.progress, at)).collect();
        // Connections that answer come first: a flood asks for handshakes and does not continue
        // them.
        stirring.sort_by_key(|(progress, at)| (Reverse(*progress), *at));
        let mut first: Vec<_> = stirring.into_iter().map(|(_, at)| at).take(STEPS).collect();
        first.sort_unstable();
        first
    }

    fn fail(&mut self, now: Instant, candidate: &Candidate, reason: &str) {
        let peer = &candidate.peer;
        let message = if candidate.line.is_handshaking() {
            format!("TLS handshake with {peer} failed: {reason}")
        } else {
            format!("{peer} was sent away before it sent anything: {reason}")
        };
        self.failures.note(now, message);
    }
}

/// Chooses the connection to end: of the machine with the most, the one with the least progress,
/// and of these the oldest. A real sender is ready within a few round trips.
fn victim(waiting: &[(Option<IpAddr>, Progress)]) -> usize {
    let mut counts: BTreeMap<Option<IpAddr>, usize> = BTreeMap::new();
    for (origin, _) in waiting {
        *counts.entry(*origin).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(origin, _)| origin);
    let places = waiting.iter().enumerate().filter(|(_, (origin, _))| Some(*origin) == most);
    places.min_by_key(|(_, (_, progress))| *progress).map_or(0, |(at, _)| at)
}

impl Candidate {
    /// Creates a candidate from `origin`. A handshake has to be done before `deadline`.
    pub(crate) fn new(
        peer: String,
        origin: Option<IpAddr>,
        line: impl Incoming + 'static,
        deadline: Option<Instant>,
    ) -> Self {
        let (line, progress) = (Box::new(line), Progress::Silent);
        Self { peer, origin, line, progress, deadline, in_doubt: false }
    }

    /// Returns the address of the other end, or its process where it has none.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Returns whether it ended without a byte.
    fn is_empty(&self) -> bool {
        self.progress == Progress::Ready && self.line.first().is_empty()
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Takes the bytes that have arrived.
    fn step(&mut self, buffer: &mut [u8], now: Instant, patience: Option<Duration>) -> Step {
        let was_handshaking = self.line.is_handshaking();
        match self.line.advance(buffer) {
            Handshake::Failed(reason) => return Step::Failed(reason),
            Handshake::Going if self.is_late(now) => {
                return Step::Failed("it took too long".to_owned());
            }
            Handshake::Going => {
                self.progress = Progress::Begun;
                return Step::Waits;
            }
            // From here on it is a silent sender like any other.
            Handshake::Done if was_handshaking => {
                self.deadline = patience.map(|patience| now + patience);
            }
            Handshake::Done => {}
        }
        let (first, has_ended, late) =
            (self.line.first(), self.line.has_ended(), self.is_late(now));
        match foreign::judge(first) {
            Verdict::Foreign(protocol) => Step::Foreign(protocol),
            Verdict::Stream => Step::Ready,
            Verdict::Undecided if first.is_empty() => match (has_ended, late) {
                (true, _) => Step::Gone,
                (false, true) => Step::Failed("it was silent for too long".to_owned()),
                (false, false) => Step::Waits,
            },
            // All its bytes are too few to tell the protocol.
            Verdict::Undecided if has_ended || (late && self.in_doubt) => Step::Ready,
            Verdict::Undecided => {
                if !std::mem::replace(&mut self.in_doubt, true) {
                    (self.progress, self.deadline) = (Progress::Begun, Some(now + DOUBT));
                }
                Step::Waits
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Progress::{Begun, Ready, Silent};

    #[test]
    fn victim_is_oldest_silent_connection_of_busiest_machine() {
        let at = |n: u8| Some(IpAddr::from([10, 0, 0, n]));
        // One machine has the most: the oldest connection of the other stays.
        assert_eq!(victim(&[(at(1), Silent), (at(2), Silent), (at(2), Silent)]), 1);
        // More progress keeps a connection, however old.
        assert_eq!(victim(&[(at(1), Begun), (at(1), Silent), (at(1), Silent)]), 1);
        assert_eq!(victim(&[(at(1), Ready), (at(1), Begun), (at(1), Begun)]), 1);
        assert_eq!(victim(&[(None, Silent), (None, Silent)]), 0);
    }
}
