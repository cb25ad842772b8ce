//! Connections that have not shown yet that they bring a stream: handshakes, and senders that are silent so far.
//!
//! A connection becomes a sender with its first bytes. Until then it takes nobody's place and has no number, so that
//! port scanners, browsers and idle connections disturb no recording, however many they are. Nothing here blocks.

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
    sender::{Handshake, Incoming, Sender},
};

/// Code of the `error` event about a foreign protocol.
pub(crate) const FOREIGN: &str = "foreign_protocol";

/// Connections that wait at a time. One more ends another, which [`victim`] names.
const WAITING: usize = 256;

/// Connections that are looked at in one go: a handshake costs a signature, and the sender that is served has to be read
/// in between.
const STEPS: usize = 16;

/// Most bytes that are received of a connection before it is let in: as many as of a sender at a time.
const FIRST: usize = 256 * 1024;

/// How long first bytes that may still become a foreign protocol are waited on. They are recorded then.
const DOUBT: Duration = Duration::from_secs(2);

/// Connections that wait, oldest first.
#[derive(Debug)]
pub(crate) struct Candidates {
    waiting: Vec<Candidate>,
    /// How long one may be silent; `None`: as long as there is room.
    patience: Option<Duration>,
    /// Whether a sender is served, so that nobody is waited for.
    served: bool,
    buffer: Vec<u8>,
    foreign: Limited,
    failures: Limited,
    /// What has to be said of a foreign protocol.
    complaint: Option<String>,
}

/// A connection that is no sender yet.
#[derive(Debug)]
pub(crate) struct Candidate {
    peer: String,
    /// The machine that it comes from; `None`: this one.
    origin: Option<IpAddr>,
    line: Box<dyn Incoming>,
    progress: Progress,
    deadline: Option<Instant>,
    /// Its first bytes may become those of a foreign protocol; `deadline` says until when that is waited on.
    in_doubt: bool,
}

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    /// Nothing was received.
    Silent,
    /// Something was.
    Begun,
    /// Its first bytes are those of a stream, or it ended without any.
    Ready,
}

/// What a look at a connection found.
enum Step {
    Waits,
    Ready,
    /// It ended before it sent anything.
    Gone,
    Foreign(&'static str),
    Failed(String),
}

impl Candidates {
    /// Without connections. One that is silent for `patience` is closed.
    pub(crate) fn new(patience: Option<Duration>) -> Self {
        Self {
            waiting: Vec::new(),
            patience,
            served: false,
            buffer: vec![0; FIRST],
            foreign: Limited::default(),
            failures: Limited::default(),
            complaint: None,
        }
    }

    /// Takes in a connection.
    pub(crate) fn push(&mut self, mut candidate: Candidate, now: Instant) {
        candidate.deadline = candidate.deadline.or(self.patience.map(|patience| now + patience));
        self.waiting.push(candidate);
        if self.waiting.len() > WAITING {
            let standing: Vec<_> = self.waiting.iter().map(|c| (c.origin, c.progress)).collect();
            let out = self.waiting.remove(victim(&standing));
            self.fail(now, &out, "too many others came after it");
        }
    }

    /// Adds what to wait for.
    pub(crate) fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        descriptors.extend(self.undecided().map(|candidate| candidate.line.interest()));
    }

    fn undecided(&self) -> impl Iterator<Item = &Candidate> {
        self.waiting.iter().filter(|candidate| candidate.progress < Progress::Ready)
    }

    /// When to look here again, even if no descriptor is ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.has_ready() {
            return Some(clock::monotonic());
        }
        self.waiting.iter().filter_map(|candidate| candidate.deadline).min()
    }

    /// A sender is served from now on, or none is. A connection that ended without a byte counts only where one is
    /// waited for: it takes nobody's place.
    pub(crate) fn serve(&mut self, served: bool) {
        self.served = served;
        if served {
            self.waiting.retain(|candidate| !candidate.is_empty());
        }
    }

    /// Whether somebody can be let in.
    pub(crate) fn has_ready(&self) -> bool {
        self.waiting.iter().any(|candidate| candidate.progress == Progress::Ready)
    }

    /// The connection that became ready and has waited longest.
    pub(crate) fn take(&mut self) -> Option<Sender> {
        let at = self.waiting.iter().position(|candidate| candidate.progress == Progress::Ready)?;
        let Candidate { peer, line, .. } = self.waiting.remove(at);
        Some(Sender { peer, stream: line })
    }

    /// The message of a refusal, for an `error` event.
    pub(crate) fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    /// Looks at those of which something was heard, and at those whose time is over.
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
                    let message = refusal(&peer, protocol);
                    self.complaint = self.foreign.line(now, message).or(self.complaint.take());
                }
            }
        }
    }

    /// Places of those that can be read, or whose time is over: a bounded number, in order.
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
        // Those that answer come first: a flood asks for handshakes, and does not go on with them.
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

/// The message about a connection or a datagram of a protocol that is refused.
pub(crate) fn refusal(peer: &str, protocol: &str) -> String {
    format!(
        "{peer} was refused: it speaks {protocol}, as a browser does; nothing of it is recorded"
    )
}

/// Which of the connections that wait has to go: of the machine that has most of them, the one that has come least far,
/// and of these the oldest. Whoever means it is ready within a few round trips.
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
    /// A connection from `origin`. If it begins with a handshake, that has to be done before `deadline`.
    pub(crate) fn new(
        peer: String,
        origin: Option<IpAddr>,
        line: impl Incoming + 'static,
        deadline: Option<Instant>,
    ) -> Self {
        let (line, progress) = (Box::new(line), Progress::Silent);
        Self { peer, origin, line, progress, deadline, in_doubt: false }
    }

    /// Returns the address of the other end, or what else tells who it is.
    pub(crate) fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether it ended without a byte.
    fn is_empty(&self) -> bool {
        self.progress == Progress::Ready && self.line.first().is_empty()
    }

    fn is_late(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Takes what is there.
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
            // From here on it is a sender that is silent, as any other.
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
            // All that it sent is too short to be told.
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
        // One machine has most of them: the other's oldest stays.
        assert_eq!(victim(&[(at(1), Silent), (at(2), Silent), (at(2), Silent)]), 1);
        // Whoever has come further stays, however old.
        assert_eq!(victim(&[(at(1), Begun), (at(1), Silent), (at(1), Silent)]), 1);
        assert_eq!(victim(&[(at(1), Ready), (at(1), Begun), (at(1), Begun)]), 1);
        assert_eq!(victim(&[(None, Silent), (None, Silent)]), 0);
    }
}
