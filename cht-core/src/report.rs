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
