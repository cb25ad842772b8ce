//! Signals that end a pipeline.

use std::{
    io::{self, Read as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cht_core::process::{
    signals,
    stat::{self, field},
};
use signal_hook::consts::{SIGHUP, SIGTERM};

/// SIGINT, SIGHUP and SIGTERM, from now on.
#[derive(Debug)]
pub(crate) struct Stop {
    readable: UnixStream,
    terminated: Arc<AtomicBool>,
    hung_up: Arc<AtomicBool>,
    signalled: bool,
    insists: bool,
}

impl Stop {
    /// Listens to them.
    pub(crate) fn listen() -> io::Result<Self> {
        let (readable, writable) = UnixStream::pair()?;
        let (terminated, hung_up) = (Arc::default(), Arc::default());
        // The flags are set before the pipe is written to.
        signal_hook::flag::register(SIGTERM, Arc::clone(&terminated))?;
        let from_terminal = signals::from_terminal();
        if from_terminal.contains(&SIGHUP) {
            signal_hook::flag::register(SIGHUP, Arc::clone(&hung_up))?;
        }
        for signal in from_terminal.into_iter().chain([SIGTERM]) {
            signal_hook::low_level::pipe::register(signal, writable.try_clone()?)?;
        }
        readable.set_nonblocking(true)?;
        Ok(Self { readable, terminated, hung_up, signalled: false, insists: false })
    }

    /// Takes the signals that have come, and tells whether there were any.
    pub(crate) fn take(&mut self) -> bool {
        let mut bytes = [0; 64];
        let mut has_come = false;
        while matches!((&self.readable).read(&mut bytes), Ok(count) if count > 0) {
            has_come = true;
        }
        // A second one: no further step is to begin.
        self.insists |= self.signalled && has_come;
        self.signalled |= has_come;
        has_come
    }

    /// Tells whether one has come.
    pub(crate) fn is_signalled(&self) -> bool {
        self.signalled
    }

    /// Tells whether a second one has come.
    pub(crate) fn insists(&self) -> bool {
        self.insists
    }

    /// Tells whether the stages have to be told: a Ctrl-C reaches all that run in the foreground of
    /// the terminal, anything else only this process. The end of a terminal reaches its first
    /// process alone; a shell hands it on to all of us.
    pub(crate) fn is_ours_alone(&self) -> bool {
        if self.terminated.load(Ordering::SeqCst) {
            return true;
        }
        if self.hung_up.load(Ordering::SeqCst) {
            return stat::own().is_some_and(|stat| leads_session(&stat));
        }
        !stat::own().is_some_and(|stat| is_in_foreground(&stat))
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}

/// Tells whether the process is the first of its session (`proc(5)`: fields 1 and 6).
fn leads_session(stat: &str) -> bool {
    let id = stat.split_whitespace().next();
    id.is_some() && id == field(stat, 6)
}

/// Tells whether the process group is the one in the foreground of its terminal (`proc(5)`: fields
/// 5 and 8).
fn is_in_foreground(stat: &str) -> bool {
    let group = field(stat, 5);
    group.is_some() && group == field(stat, 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreground_is_where_both_groups_are_one() {
        assert!(is_in_foreground("7 (a) b) S 1 7 7 34816 7 4194304"));
        assert!(!is_in_foreground("7 (cht) S 1 7 7 34816 9 4194304"), "in the background");
        assert!(!is_in_foreground("7 (cht) S 1 7 7 0 -1 4194304"), "no terminal");
        assert!(!is_in_foreground(""));
    }

    #[test]
    fn first_process_of_a_session_has_its_number() {
        assert!(leads_session("7 (a) b) S 1 7 7 34816 7 4194304"));
        assert!(!leads_session("7 (cht) S 1 7 5 34816 7 4194304"));
        assert!(!leads_session("7 (cht) S 0 7 0 0 -1 4194304"), "it began outside of a container");
        assert!(!leads_session(""));
    }
}
