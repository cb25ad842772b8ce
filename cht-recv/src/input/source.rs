//! The interface of all inputs: senders come one at a time. The module that opens inputs is `open`.

use std::time::Instant;

use anyhow::Result;
use rustix::event::PollFd;

use super::sender::Sender;

/// An origin of senders. Nothing here blocks.
pub(crate) trait Source {
    /// Adds the descriptors to wait for.
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>);

    /// Returns when to call [`Self::admit`] again, even if no descriptor is ready.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Notes that no sender is served: the next one may be prepared.
    fn vacant(&mut self, _now: Instant) {}

    /// Lets one sender in. While the place is `taken`, sends all away.
    fn admit(&mut self, now: Instant, taken: bool) -> Result<Option<Sender>>;

    /// Advances new connections while a sender is served. Returns whether [`Self::admit`] has
    /// something to do.
    fn prepare(&mut self, _now: Instant, _taken: bool) -> bool {
        true
    }

    /// Takes a complaint for an `error` event: a code and a message.
    fn complaint(&mut self) -> Option<(&'static str, String)> {
        None
    }

    /// Returns whether no sender will follow the last one.
    fn is_done(&self) -> bool {
        false
    }
}
