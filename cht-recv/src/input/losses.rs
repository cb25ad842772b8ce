//! Data lost on the way to us: counted, and reported from time to time.

use std::time::Instant;

use cht_core::process::report::{self, SAY_EVERY};

/// Counts losses of one kind. Each changes the exit status, because the recording differs from the
/// stream.
#[derive(Debug)]
pub(crate) struct Losses {
    /// Text after the number: the loss, and the remedy.
    what: String,
    unsaid: u64,
    said_at: Option<Instant>,
}

impl Losses {
    pub(crate) fn of(what: String) -> Self {
        Self { what, unsaid: 0, said_at: None }
    }

    /// Adds `count` losses. Reports them unless a report was made shortly before `now`.
    pub(crate) fn add(&mut self, count: u64, now: Instant) {
        self.unsaid += count;
        if self.said_at.is_none_or(|said| said + SAY_EVERY <= now) && self.unsaid > 0 {
            self.said_at = Some(now);
            self.say();
        }
    }

    fn say(&mut self) {
        let count = std::mem::take(&mut self.unsaid);
        if count > 0 {
            report::warn(format_args!("{count} {}", self.what));
        }
    }
}

impl Drop for Losses {
    fn drop(&mut self) {
        self.say();
    }
}
