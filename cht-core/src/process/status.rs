//! A line below all messages, on a stderr that is a terminal, that is written again and again.
//!
//! All stages of a pipeline write to the same terminal, and one of them has such a line. So the
//! cursor waits at its beginning, and every message clears the line first.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    sync::{Mutex, OnceLock},
};

use super::{lock::lock, verbosity};

/// Moves a terminal's cursor to the beginning of the line, and clears that (ECMA-48 EL).
const CLEAR: &str = "\r\x1b[K";

/// The line; empty if there is none.
static SHOWN: Mutex<Shown> = Mutex::new(Shown { line: String::new(), is_over: false });

/// Held while something is written to the terminal.
static TERMINAL: Mutex<()> = Mutex::new(());

#[derive(Debug)]
struct Shown {
    line: String,
    /// The program ends, and no line is shown any more.
    is_over: bool,
}

/// Tells whether people want a status line, and stderr can have one.
#[must_use]
pub fn is_wanted() -> bool {
    !verbosity::is_quiet() && can_clear()
}

/// Tells whether stderr is a terminal that can clear a line.
fn can_clear() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        io::stderr().is_terminal() && !is_dumb
    })
}

/// Shows a line below all messages, in place of the one before; an empty one removes it.
pub fn show(line: impl Into<String>) {
    let line = line.into();
    let _writing = lock(&TERMINAL);
    let mut shown = lock(&SHOWN);
    if !shown.is_over && (!line.is_empty() || !shown.line.is_empty()) {
        shown.line.clone_from(&line);
        drop(shown);
        // A terminal that is gone needs no line.
        let _ = to_stderr(&format!("{CLEAR}{line}\r"));
    }
}

/// Sets the text that [`around`] and messages write again, where a line is shown.
pub fn renew(line: impl FnOnce() -> String) {
    let mut shown = lock(&SHOWN);
    if !shown.line.is_empty() {
        shown.line = line();
    }
}

/// Removes the line of a program that was killed.
pub fn clear() {
    if can_clear() {
        let _writing = lock(&TERMINAL);
        let _ = to_stderr(CLEAR);
    }
}

/// Calls `write`, which writes lines to the same terminal by another way.
pub fn around<T>(write: impl FnOnce() -> T) -> T {
    let _writing = lock(&TERMINAL);
    let line = lock(&SHOWN).line.clone();
    if line.is_empty() {
        return write();
    }
    let _ = to_stderr(CLEAR);
    let written = write();
    let _ = to_stderr(&format!("{line}\r"));
    written
}

/// Writes a message with one call, so that those of the stages of a pipeline do not mix.
pub(super) fn write_message(message: &str) -> io::Result<()> {
    if !can_clear() {
        return to_stderr(message);
    }
    let _writing = lock(&TERMINAL);
    let line = lock(&SHOWN).line.clone();
    let home = if line.is_empty() { "" } else { "\r" };
    to_stderr(&format!("{CLEAR}{message}{line}{home}"))
}

/// Ends the line; returns the text that removes it, if it was shown.
pub(super) fn end() -> Option<&'static str> {
    let mut shown = lock(&SHOWN);
    shown.is_over = true;
    (!std::mem::take(&mut shown.line).is_empty()).then_some(CLEAR)
}

fn to_stderr(text: &str) -> io::Result<()> {
    io::stderr().lock().write_all(text.as_bytes())
}
