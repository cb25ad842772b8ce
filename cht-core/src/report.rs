//! Speaking to people: stderr, one line a message, and the memory that something was wrong.
//!
//! Events go to stdout through [`crate::ndjson`]; nothing else does.

use std::{
    fmt::Display,
    io::Write as _,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::exit::Exit;

static STAGE: OnceLock<&'static str> = OnceLock::new();
static WARNED: AtomicBool = AtomicBool::new(false);

/// Names this program in its messages. Called once, by [`crate::cli::run`].
pub(crate) fn set_stage(name: &'static str) {
    let _ = STAGE.set(name);
}

/// This program's name, as in the `stage` field of its `error` events.
#[must_use]
pub fn stage() -> &'static str {
    STAGE.get().copied().unwrap_or("cht")
}

/// Says how things go. Does not change the exit status.
pub fn note(message: impl Display) {
    say("", &message);
}

/// Says that some input was bad. The run goes on, and its exit status will be [`Exit::Partial`].
pub fn warn(message: impl Display) {
    WARNED.store(true, Ordering::Relaxed);
    say("warning: ", &message);
}

/// Says why the run ends. The caller returns [`Exit::Failed`].
pub fn fail(message: impl Display) {
    say("error: ", &message);
}

/// Says things that others can make happen at will: the first at once, the next ones counted.
///
/// One for each kind of message, so that a flood of one does not hide another.
#[derive(Debug)]
pub struct Limited {
    every: Duration,
    said_at: Option<Instant>,
    counted: u64,
}

impl Limited {
    /// At most one message in this time.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, said_at: None, counted: 0 }
    }

    /// A [`note`], or a count if one was said shortly before `now`.
    pub fn note(&mut self, now: Instant, message: impl Display) {
        if let Some(line) = self.line(now, message) {
            note(line);
        }
    }

    /// A [`warn`], or a count if one was said shortly before `now`.
    pub fn warn(&mut self, now: Instant, message: impl Display) {
        if let Some(line) = self.line(now, message) {
            warn(line);
        }
    }

    fn line(&mut self, now: Instant, message: impl Display) -> Option<String> {
        if self.said_at.is_some_and(|said| now.saturating_duration_since(said) < self.every) {
            self.counted += 1;
            return None;
        }
        self.said_at = Some(now);
        Some(match std::mem::take(&mut self.counted) {
            0 => message.to_string(),
            more => format!("{message} (and {more} more like it before)"),
        })
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if self.counted > 0 {
            note(format_args!("{} more like one above", self.counted));
        }
    }
}

/// The exit status of a run that came to its end.
#[must_use]
pub fn outcome() -> Exit {
    if WARNED.load(Ordering::Relaxed) { Exit::Partial } else { Exit::Done }
}

fn say(kind: &str, message: &dyn Display) {
    // One write, so that the lines of the stages of a pipeline do not mix. A closed stderr leaves
    // nobody to tell.
    let line = format!("{}: {kind}{message}\n", stage());
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted() {
        let start = crate::clock::monotonic();
        let mut limited = Limited::new(Duration::from_secs(10));
        let mut at = |seconds| limited.line(start + Duration::from_secs(seconds), "no");
        assert_eq!(at(0).unwrap(), "no");
        assert_eq!((at(1), at(9)), (None, None));
        assert_eq!(at(10).unwrap(), "no (and 2 more like it before)");
        assert_eq!(at(11), None);
        assert_eq!(at(25).unwrap(), "no (and 1 more like it before)");
        assert_eq!(at(40).unwrap(), "no");
    }
}
