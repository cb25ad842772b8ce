//! What Ctrl-C and `kill` do to a stage.
//!
//! A terminal sends SIGINT to the whole pipeline. The first stage stops its source; the others must not die
//! before they have worked off what is in the pipes, so for them the first SIGINT means nothing: they
//! end by the end of their input. A second one ends any stage at once.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::{Arc, atomic::AtomicBool},
};

use signal_hook::consts::{SIGINT, SIGTERM};

/// For a stage that reads events: the first SIGINT is left to the source, the second one ends it.
pub fn drain_on_interrupt() -> io::Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    // The order matters: the default action is taken only if an earlier signal set the flag.
    signal_hook::flag::register_conditional_default(SIGINT, Arc::clone(&interrupted))?;
    signal_hook::flag::register(SIGINT, interrupted)?;
    Ok(())
}

/// For a source: a descriptor that becomes readable at the first SIGINT or SIGTERM; a second one ends it at once.
pub fn stop_on_signal() -> io::Result<UnixStream> {
    let (readable, writable) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        let stopping = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stopping))?;
        signal_hook::flag::register(signal, stopping)?;
        signal_hook::low_level::pipe::register(signal, writable.try_clone()?)?;
    }
    Ok(readable)
}

/// Whether a descriptor from [`stop_on_signal`] has been signalled.
#[must_use]
pub fn is_signalled(stop: &UnixStream) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut descriptors = [PollFd::new(stop, PollFlags::IN)];
    poll(&mut descriptors, Some(&now)).is_ok_and(|ready| ready > 0)
}
