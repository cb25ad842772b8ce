//! The interface that all inputs share: senders come one at a time. The module that opens them is `open`.

use std::time::Instant;

use anyhow::Result;
use rustix::event::PollFd;

use super::sender::Sender;

/// A place that senders come from. Nothing here blocks.
pub(crate) trait Source {
    /// Adds what to wait for.
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>);

    /// When to look here again, even if no descriptor is ready.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Nobody is served now: the next one may be prepared.
    fn vacant(&mut self, _now: Instant) {}

    /// Looks who is there, and lets one in. While the place is `taken`, everybody is sent away.
    fn admit(&mut self, now: Instant, taken: bool) -> Result<Option<Sender>>;

    /// Goes on with those who have come, while another sender is served. Whether [`Self::admit`] has something to do then.
    fn prepare(&mut self, _now: Instant, _taken: bool) -> bool {
        true
    }

    /// What has to be said as an `error` event: a code and a message.
    fn complaint(&mut self) -> Option<(&'static str, String)> {
        None
    }

    /// Whether nobody will come after the one that was let in last.
    fn is_done(&self) -> bool {
        false
    }
}
