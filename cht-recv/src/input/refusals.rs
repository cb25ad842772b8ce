//! Refusals of foreign protocols, for `error` events: a flood of them is counted.

use std::{fmt::Display, time::Instant};

use cht_core::process::report::Limited;

/// The pending message about refused connections or datagrams.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    limited: Limited,
    pending: Option<String>,
}

impl Refusals {
    /// Notes that `peer` was refused because of its protocol.
    pub(crate) fn note(&mut self, now: Instant, peer: impl Display, protocol: &str) {
        let message = format_args!(
            "{peer} was refused: it speaks {protocol}, as a browser does; nothing of it is recorded"
        );
        self.pending = self.limited.line(now, message).or(self.pending.take());
    }

    /// Takes the code and the message of an `error` event, if one is due.
    pub(crate) fn take(&mut self) -> Option<(&'static str, String)> {
        self.pending.take().map(|message| ("foreign_protocol", message))
    }
}
