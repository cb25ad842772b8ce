//! Messages for people: stderr, one line per message, and whether something was wrong.
//!
//! Events go to stdout through [`crate::ndjson`]; nothing else does.
//!
//! A stderr that is not read blocks its writer, as any pipe does. A program that must not block
//! calls [`never_wait`]: then a thread of its own writes, from a bounded queue.

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal as _},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{clock, exit::Exit, harmless::harmless, lock::lock, nearby::nearby, status, verbosity};

/// Largest number of messages that wait for a reader of stderr.
const QUEUED: usize = 256;

/// Longest time for which the end of the run waits for that reader.
const LAST_WAIT: Duration = Duration::from_secs(2);

static STAGE: OnceLock<&'static str> = OnceLock::new();
/// Number of warnings.
static WARNED: AtomicU64 = AtomicU64::new(0);
static QUEUE: Mutex<Option<Queue>> = Mutex::new(None);
/// Messages that had no place in the queue, and of which people were not told yet.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// In front of the thread that writes.
struct Queue {
    lines: SyncSender<String>,
    written: Receiver<()>,
}

/// Names this program in its messages. Called once, by [`super::cli::run`].
pub(crate) fn set_stage(name: &'static str) {
    let _ = STAGE.set(name);
}

/// Returns this program's name, as in the `stage` field of its `error` events.
#[must_use]
pub fn stage() -> &'static str {
    STAGE.get().copied().unwrap_or("cht")
}

/// Prints a message, unless only faults are wanted. The exit status stays the same.
pub fn note(message: impl Display) {
    if !verbosity::is_quiet() {
        say("", &message);
    }
}

/// Prints a message for those who asked for more.
pub fn detail(message: impl Display) {
    if verbosity::is_verbose() {
        say("", &message);
    }
}

/// Prints the last message at a terminal, or to those who asked for more; no status line follows.
/// From cron, any other message is a mail.
pub fn summary(message: impl Display) {
    if status::end().is_some() {
        status::clear();
    }
    if verbosity::is_verbose() || io::stderr().is_terminal() {
        note(message);
    }
}

/// Prints a warning about bad input. The run goes on, and its exit status will be
/// [`Exit::Partial`].
pub fn warn(message: impl Display) {
    WARNED.fetch_add(1, Ordering::Relaxed);
    say("warning: ", &message);
}

/// Prints a warning about what this program or machine lacks, which no input is to blame for. The
/// exit status stays the same.
pub fn caution(message: impl Display) {
    say("warning: ", &message);
}

/// Prints the error that ends the run. The caller returns [`Exit::Failed`].
pub fn fail(message: impl Display) {
    say("error: ", &message);
}

/// Limits messages that others can provoke at will: the first is printed at once, the next ones are
/// counted.
///
/// One for each kind of message, so that a flood of one does not hide another.
#[derive(Debug)]
pub struct Limited {
    every: Duration,
    said_at: Option<Instant>,
    counted: u64,
}

/// Usual time between two messages of a kind.
pub const SAY_EVERY: Duration = Duration::from_secs(10);

impl Default for Limited {
    /// Limits to one message per [`SAY_EVERY`].
    fn default() -> Self {
        Self::new(SAY_EVERY)
    }
}

impl Limited {
    /// Returns a limit of one message per `every`.
    #[must_use]
    pub const fn new(every: Duration) -> Self {
        Self { every, said_at: None, counted: 0 }
    }

    /// Prints a [`note`], or counts it if one was printed shortly before `now`.
    pub fn note(&mut self, now: Instant, message: impl Display) {
        if let Some(line) = self.line(now, message) {
            note(line);
        }
    }

    /// Prints a [`detail`], or counts it if one was printed shortly before `now`.
    pub fn detail(&mut self, now: Instant, message: impl Display) {
        if let Some(line) = self.line(now, message) {
            detail(line);
        }
    }

    /// Prints a [`warn`]ing, or counts it if one was printed shortly before `now`.
    pub fn warn(&mut self, now: Instant, message: impl Display) {
        if let Some(line) = self.line(now, message) {
            warn(line);
        }
    }

    /// Returns the message to print, or `None` if one was printed shortly before `now`.
    pub fn line(&mut self, now: Instant, message: impl Display) -> Option<String> {
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

/// Returns the number of warnings so far.
#[must_use]
pub fn warnings() -> u64 {
    WARNED.load(Ordering::Relaxed)
}

/// Returns the exit status of a run that came to its end.
#[must_use]
pub fn outcome() -> Exit {
    if warnings() > 0 { Exit::Partial } else { Exit::Done }
}

/// Makes all later messages non-blocking. Those that do not fit into the queue are dropped, and
/// counted in a message when there is room again. [`super::cli::run`] waits for the last of them.
pub fn never_wait() -> io::Result<()> {
    let (lines, queue) = sync_channel::<String>(QUEUED);
    let (finished, written) = channel();
    thread::Builder::new().name("stderr".to_owned()).spawn(move || {
        while let Ok(line) = queue.recv() {
            write(&line);
            for line in queue.try_iter() {
                write(&line);
            }
            let left_out = LEFT_OUT.swap(0, Ordering::Relaxed);
            if left_out > 0 {
                write(&line_of(
                    "",
                    &format_args!("messages left out, as nobody read stderr: {left_out}"),
                ));
            }
        }
        let _ = finished.send(());
    })?;
    *queue_now() = Some(Queue { lines, written });
    Ok(())
}

/// Waits until all messages are written, for a limited time.
pub(crate) fn finish() {
    let clear = status::end();
    let Some(Queue { lines, written }) = queue_now().take() else {
        clear.into_iter().for_each(write);
        return;
    };
    let _ = clear.map(|clear| lines.try_send(clear.to_owned()));
    drop(lines);
    // A reader that does not read cannot be told that either.
    let _ = clock::receive_within(&written, LAST_WAIT);
}

fn queue_now() -> std::sync::MutexGuard<'static, Option<Queue>> {
    lock(&QUEUE)
}

fn say(kind: &str, message: &dyn Display) {
    let line = line_of(kind, message);
    match &*queue_now() {
        Some(queue) => {
            if let Err(TrySendError::Full(_)) = queue.lines.try_send(line) {
                LEFT_OUT.fetch_add(1, Ordering::Relaxed);
            }
        }
        None => write(&line),
    }
}

fn line_of(kind: &str, message: &dyn Display) -> String {
    let mut message = message.to_string();
    if !io::stderr().is_terminal() {
        return format!("{}: {kind}{message}\n", stage());
    }
    if let Ok(folder) = env::current_dir() {
        message = nearby(&message, &folder);
    }
    // Names of files and the words of a sender may be anything.
    let message = harmless(&message);
    let has_colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    match kind {
        "" => format!("{}: {message}\n", stage()),
        // Bold yellow.
        _ if has_colours => format!("{}: \x1b[1;33m{kind}\x1b[0m{message}\n", stage()),
        _ => format!("{}: {kind}{message}\n", stage()),
    }
}

/// Writes a line. After stderr is closed, messages are dropped.
fn write(line: &str) {
    let _ = status::write_message(line);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_of_messages_is_counted() {
        let start = super::super::clock::monotonic();
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
