//! Limits how often one sender of datagrams replaces another that goes on sending. Pure.
//!
//! There is no connection to close, so a replaced sender still sends. If each of its datagrams
//! counted as a new sender, two senders would replace each other hundreds of times a second, with a
//! file each time.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

/// Shortest time between two takeovers, by any sender.
const INTERVAL: Duration = Duration::from_secs(10);

/// Silence after which a replaced sender counts as new.
const SILENCE: Duration = Duration::from_secs(5);

/// Replaced senders that are remembered.
const FORMER: usize = 64;

/// The takeovers so far.
#[derive(Debug, Default)]
pub(crate) struct Takeovers {
    last: Option<Instant>,
    /// Replaced senders, and when each was last heard; oldest first.
    former: Vec<(SocketAddr, Instant)>,
}

impl Takeovers {
    /// Returns whether `from`, which sent a datagram at `now`, may replace the current sender.
    pub(crate) fn allows(&mut self, from: SocketAddr, now: Instant) -> bool {
        let former = self.former.iter_mut().find(|(address, _)| *address == from);
        let begins = former.is_none_or(|(_, heard)| std::mem::replace(heard, now) + SILENCE <= now);
        begins && self.last.is_none_or(|last| last + INTERVAL <= now)
    }

    /// Notes that `by` has replaced `replaced`.
    pub(crate) fn note(&mut self, replaced: SocketAddr, by: SocketAddr, now: Instant) {
        self.last = Some(now);
        self.former.retain(|(address, _)| *address != by && *address != replaced);
        if self.former.len() == FORMER {
            self.former.remove(0);
        }
        self.former.push((replaced, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the takeovers in `millis` when each of `senders` sends a datagram per millisecond.
    fn takeovers(senders: u16, millis: u64) -> usize {
        let address = |n: u16| SocketAddr::from(([127, 0, 0, 1], n));
        let (mut takeovers, mut served, mut count) = (Takeovers::default(), address(0), 0);
        let start = Instant::now();
        for at in (0..millis).map(|millis| start + Duration::from_millis(millis)) {
            for from in (0..senders).map(address) {
                if from != served && takeovers.allows(from, at) {
                    takeovers.note(served, from, at);
                    (served, count) = (from, count + 1);
                }
            }
        }
        count
    }

    #[test]
    fn two_continuing_senders_change_over_once() {
        assert_eq!(takeovers(2, 60_000), 1);
    }

    #[test]
    fn many_senders_change_over_once_per_interval() {
        assert_eq!(takeovers(50, 60_000), 6);
    }

    #[test]
    fn replaced_sender_after_pause_counts_as_new() {
        let (a, b) = (SocketAddr::from(([1; 4], 1)), SocketAddr::from(([1; 4], 2)));
        let (mut takeovers, start) = (Takeovers::default(), Instant::now());
        assert!(takeovers.allows(b, start));
        takeovers.note(a, b, start);
        assert!(!takeovers.allows(a, start + INTERVAL / 4));
        assert!(takeovers.allows(a, start + INTERVAL / 4 + INTERVAL), "it was silent for long");
    }
}
