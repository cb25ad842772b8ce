//! Effects of Ctrl-C and `kill` on a stage.
//!
//! A terminal sends SIGINT to the whole pipeline. The first stage stops its source; the others must
//! not die before they have processed the contents of the pipes, so the first SIGINT has no effect
//! on them: they end at the end of their input. A stage with a list of files stops at the end of
//! one ([`on_interrupt`]). A second SIGINT ends any stage at once.

use std::{
    io::{self, Read as _},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::clock;

/// Time within which a second signal counts as the same: `timeout` of coreutils sends its signal to
/// the program and, at once, to the program's group.
const ECHO: Duration = Duration::from_millis(300);

/// Ignores the first SIGINT, which is meant for the source, and ends at the second one. For a stage
/// that reads events.
pub fn drain_on_interrupt() -> io::Result<()> {
    end_at_second(&[SIGINT])
}

/// Calls `act` at the first SIGINT, on a thread of its own, and ends at the second one. For a stage
/// that stops by itself.
pub fn on_interrupt(act: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (mut first, writable) = UnixStream::pair()?;
    // First of all: a signal that comes between the two would mean nothing.
    signal_hook::low_level::pipe::register(SIGINT, writable)?;
    end_at_second(&[SIGINT])?;
    // Not the thread that arms the second signal: `act` may wait for a reader of stderr.
    thread::Builder::new().name("interrupt".to_owned()).spawn(move || {
        if first.read_exact(&mut [0]).is_ok() {
            act();
        }
    })?;
    Ok(())
}

/// Returns a descriptor that becomes readable at the first SIGINT or SIGTERM; a second one ends the
/// process at once. For a source.
pub fn stop_on_signal() -> io::Result<UnixStream> {
    let (readable, writable) = UnixStream::pair()?;
    // First of all: a signal that comes between the two would mean nothing.
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, writable.try_clone()?)?;
    }
    end_at_second(&[SIGINT, SIGTERM])?;
    Ok(readable)
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

/// Tells whether a descriptor from [`stop_on_signal`] has been signalled.
#[must_use]
pub fn is_signalled(stop: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut descriptors = [PollFd::new(stop, PollFlags::IN)];
    poll(&mut descriptors, Some(&now)).is_ok_and(|ready| ready > 0)
}
