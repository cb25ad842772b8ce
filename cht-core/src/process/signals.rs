//! Effects of Ctrl-C and `kill` on a stage.
//!
//! A terminal sends SIGINT to the whole pipeline, and SIGHUP when it closes. The first stage stops
//! its source; the others must not die before they have processed the contents of the pipes, so the
//! first signal has no effect on them: they end at the end of their input. A stage with a list of
//! files stops at the end of one ([`on_interrupt`]). A second signal ends any stage at once.

use std::{
    io::{self, Read as _},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::clock;

/// Time within which a second signal counts as the same: `timeout` of coreutils sends its signal to
/// the program and, at once, to the program's group.
pub const ECHO: Duration = Duration::from_millis(300);

/// Ignores the first SIGINT or SIGHUP, which is meant for the source, and ends at the second one.
/// For a stage that reads events.
pub fn drain_on_interrupt() -> io::Result<()> {
    end_at_second(&from_terminal())
}

/// Calls `act` at the first SIGINT or SIGHUP, on a thread of its own, and ends at the second one.
/// For a stage that stops by itself.
pub fn on_interrupt(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (mut first, writable) = UnixStream::pair()?;
    // First of all: a signal that comes between the two would mean nothing.
    let signals = from_terminal();
    for signal in &signals {
        signal_hook::low_level::pipe::register(*signal, writable.try_clone()?)?;
    }
    end_at_second(&signals)?;
    // Not the thread that arms the second signal: `act` may wait for a reader of stderr.
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        if first.read_exact(&mut [0]).is_ok() {
            act();
        }
    })?;
    Ok(())
}

/// Returns a descriptor that becomes readable at the first SIGINT, SIGHUP or SIGTERM; a second one
/// ends the process at once. For a source.
pub fn stop_on_signal() -> io::Result<UnixStream> {
    let (readable, writable) = UnixStream::pair()?;
    // First of all: a signal that comes between the two would mean nothing.
    let signals = [from_terminal(), vec![SIGTERM]].concat();
    for signal in &signals {
        signal_hook::low_level::pipe::register(*signal, writable.try_clone()?)?;
    }
    end_at_second(&signals)?;
    Ok(readable)
}

/// Returns a descriptor that becomes readable at the first SIGTERM; the process ends by it when
/// [`terminate`] is called, `limit` later, or at a second one. For a stage that has something to
/// write before it ends.
pub fn before_terminated(limit: Duration) -> io::Result<UnixStream> {
    let (readable, writable) = UnixStream::pair()?;
    let (mut first, to_thread) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGTERM, to_thread)?;
    signal_hook::low_level::pipe::register(SIGTERM, writable)?;
    end_at_second(&[SIGTERM])?;
    thread::Builder::new().name("terminate".to_owned()).spawn(move || {
        if first.read_exact(&mut [0]).is_ok() {
            clock::rest(limit);
            terminate();
        }
    })?;
    Ok(readable)
}

/// Ends the process as SIGTERM does by default.
pub fn terminate() {
    let _ = signal_hook::low_level::emulate_default_handler(SIGTERM);
}

/// SIGINT, SIGHUP and SIGTERM, for a source that has something to say at the second one as well.
#[derive(Debug)]
pub struct Signals {
    readable: UnixStream,
    last: Arc<AtomicUsize>,
    has_come: bool,
    /// Whether the next one ends the process at once.
    ends: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to wait for them.
    pub fn catch() -> io::Result<Self> {
        let (readable, writable) = UnixStream::pair()?;
        readable.set_nonblocking(true)?;
        let (last, ends) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for signal in [from_terminal(), vec![SIGTERM]].concat() {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&ends))?;
            signal_hook::flag::register_usize(signal, Arc::clone(&last), signal as usize)?;
            signal_hook::low_level::pipe::register(signal, writable.try_clone()?)?;
        }
        Ok(Self { readable, last, has_come: false, ends })
    }

    /// Waits for a signal, which is no echo of the one before. Returns false when the other end of
    /// `ended` is closed first.
    pub fn wait(&mut self, ended: &UnixStream) -> bool {
        use rustix::event::{PollFd, PollFlags};
        if self.has_come {
            clock::rest(ECHO);
            while (&self.readable).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
        }
        let mut descriptors =
            [PollFd::new(&self.readable, PollFlags::IN), PollFd::new(ended, PollFlags::IN)];
        let is_ready = clock::wait_ready(&mut descriptors, None).is_ok();
        let has_come = is_ready && is_signalled(&self.readable);
        self.has_come |= has_come;
        has_come
    }

    /// Ends the process as the last signal does by default. One that comes meanwhile does at once.
    pub fn end_with(self, say: impl FnOnce()) {
        self.ends.store(true, Ordering::SeqCst);
        say();
        let _ = signal_hook::low_level::emulate_default_handler(
            self.last.load(Ordering::SeqCst) as i32
        );
    }
}

impl Drop for Signals {
    /// After the first signal, the second one ends the process.
    fn drop(&mut self) {
        self.ends.store(self.has_come, Ordering::SeqCst);
    }
}

/// Returns the signals that a terminal sends to the whole pipeline: at Ctrl-C, and when it closes.
/// A program that was started by nohup stays when it closes.
#[must_use]
pub fn from_terminal() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if ignores_hangup(&status) { vec![SIGINT] } else { vec![SIGINT, SIGHUP] }
}

/// Tells whether the process `id` handles SIGINT already: until then, Ctrl-C ends it.
#[must_use]
pub fn handles_interrupt(id: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    has(&status, "SigCgt:", SIGINT)
}

/// Tells from the text of `/proc/self/status` whether SIGHUP is ignored.
fn ignores_hangup(status: &str) -> bool {
    has(status, "SigIgn:", SIGHUP)
}

/// Tells whether a mask in the text of `/proc/PID/status` has a signal (`proc(5)`: bit 0 is signal
/// 1).
fn has(status: &str, mask: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix(mask));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Takes the default action of `signals` at the second one only; an echo of the first is not the
/// second.
fn end_at_second(signals: &[i32]) -> io::Result<()> {
    let armed = Arc::new(AtomicBool::new(false));
    let (mut first, writable) = UnixStream::pair()?;
    for signal in signals {
        signal_hook::flag::register_conditional_default(*signal, Arc::clone(&armed))?;
        signal_hook::low_level::pipe::register(*signal, writable.try_clone()?)?;
    }
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if first.read_exact(&mut [0]).is_ok() {
            clock::rest(ECHO);
            armed.store(true, Ordering::SeqCst);
        }
    })?;
    Ok(())
}

/// Tells whether a descriptor from [`stop_on_signal`] or [`before_terminated`] has been signalled.
#[must_use]
pub fn is_signalled(stop: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut descriptors = [PollFd::new(stop, PollFlags::IN)];
    poll(&mut descriptors, Some(&now)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangup_that_is_ignored_is_left_so() {
        assert!(ignores_hangup("Name:\tcht\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hangup("SigBlk:\t1\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
        assert!(has("SigIgn:\t0000000000000000\nSigCgt:\t0000000180004002\n", "SigCgt:", SIGINT));
        assert!(!has("SigCgt:\t0000000180004001\n", "SigCgt:", SIGINT));
    }
}
