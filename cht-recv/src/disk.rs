//! Waits for a disk that fails with an error that may pass, such as a lack of room.

use std::{
    io,
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use cht_core::{
    process::{clock, report},
    session::SessionError,
    storage::{
        disk_error::{Cause, cause},
        patience::TRY_AGAIN,
    },
};
use rustix::event::{PollFd, PollFlags};

/// Further tries that a refusing disk gets where a session starts: 5 s.
pub(crate) const START_TRIES: u32 = 10;

/// Time for a refusing disk once the recorder is asked to stop. Bytes not written by then are lost.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Free space that counts as none, in bytes.
const NO_ROOM: u64 = 64 << 10;

/// Returns whether the disk or the system refuses: any error but a mistake of the caller. The
/// stream is not at fault, and the error may pass.
pub(crate) fn refuses(error: &io::Error) -> bool {
    cause(error) != Cause::Mistake
}

/// Returns whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    cause(error) == Cause::Full
}

/// Returns whether an error says that there is no room, and the disk of `path` indeed has none.
pub(crate) fn has_no_room(error: &io::Error, path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    is_full(error) && free(folder).is_ok_and(|free| free < NO_ROOM)
}

/// Returns whether starting a session failed because the disk has no room.
pub(crate) fn was_full(error: &anyhow::Error) -> bool {
    of_the_disk(error).is_some_and(is_full)
}

/// Returns whether starting a session failed because of a disk that may accept it later. At the
/// start of the program, a wrong folder is an error at once.
pub(crate) fn may_pass(error: &anyhow::Error, at_start: bool) -> bool {
    of_the_disk(error).is_some_and(|error| refuses(error) && !(at_start && is_wrong(error)))
}

/// Returns whether trying again for some seconds can help. It cannot where the name is taken or
/// missing.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    !matches!(cause(error), Cause::Mistake | Cause::Name)
}

/// Returns whether starting a session failed because the disk is read-only: some file systems turn
/// so for a moment.
pub(crate) fn was_read_only(error: &anyhow::Error) -> bool {
    of_the_disk(error).is_some_and(|error| cause(error) == Cause::ReadOnly)
}

fn is_wrong(error: &io::Error) -> bool {
    matches!(cause(error), Cause::Name | Cause::Denied | Cause::ReadOnly | Cause::NoDevice)
}

/// Returns the system's error among the causes.
fn of_the_disk(error: &anyhow::Error) -> Option<&io::Error> {
    error.chain().find_map(|cause| {
        let of_session = match cause.downcast_ref() {
            Some(SessionError::Io { error, .. }) => Some(error),
            _ => None,
        };
        cause.downcast_ref::<io::Error>().or(of_session)
    })
}

/// The state that all writing threads share: whether the disk refuses. One of them reports it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    refuses: AtomicBool,
    /// When a stop was first noticed while the disk refused.
    asked_to_stop: OnceLock<Instant>,
}

impl Refusal {
    /// Notes that the disk refuses. Returns whether that is news.
    pub(crate) fn begin(&self) -> bool {
        !self.0.refuses.swap(true, Ordering::Relaxed)
    }

    /// Notes that the disk accepts bytes again.
    pub(crate) fn end(&self) {
        if self.0.refuses.swap(false, Ordering::Relaxed) {
            report::note("the disk takes bytes again; recording goes on");
        }
    }

    /// Waits a moment before the disk is tried again. Returns `false` if the stop is more than
    /// [`SHUTDOWN_GRACE`] ago.
    pub(crate) fn wait(&self, stop: &UnixStream) -> bool {
        if wait(stop) {
            return true;
        }
        let now = clock::monotonic();
        let asked = *self.0.asked_to_stop.get_or_init(|| now);
        if now.saturating_duration_since(asked) >= SHUTDOWN_GRACE {
            return false;
        }
        clock::rest(TRY_AGAIN);
        true
    }
}

/// Returns the remedy for a refusal, for the message about it.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    if is_full(error) {
        "; the sender waits until there is room (remove something, or stop cht-recv)"
    } else {
        "; the sender waits until the disk takes bytes again (mend it, or stop cht-recv)"
    }
}

/// Returns whether nothing has that name, for certain: an error of the disk is no absence.
pub(crate) fn is_not_found(path: &Path) -> bool {
    matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

/// Returns the context of an error about a path.
pub(crate) fn named(path: &Path) -> impl Fn() -> String {
    move || path.display().to_string()
}

/// Returns the bytes that this process may still write to the disk of `path`.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail * disk.f_frsize)
}

/// Waits a moment before the disk is tried again. Returns `false` if the recorder is asked to stop.
pub(crate) fn wait(stop: &UnixStream) -> bool {
    let mut descriptors = [PollFd::new(stop, PollFlags::IN)];
    let waited = clock::wait_ready(&mut descriptors, Some(clock::monotonic() + TRY_AGAIN));
    waited.is_err() || descriptors[0].revents().is_empty()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use rustix::io::Errno;

    use super::*;

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn errors_except_mistakes_are_refusals() {
        // Every error that Linux has.
        let all = (1..=133).map(io::Error::from_raw_os_error);
        let mistakes = all.filter(|error| !refuses(error)).count();
        assert_eq!(mistakes, 5, "BADF, FAULT, INVAL, NOTTY and SPIPE");
        assert!(refuses(&io::ErrorKind::WriteZero.into()));
    }

    #[test]
    fn wrong_folder_ends_start_and_failing_disk_does_not() {
        let begun = |errno| Err::<(), _>(error(errno)).context("the session").unwrap_err();
        for (errno, at_start) in [
            (Errno::NOSPC, true),
            (Errno::IO, true),
            (Errno::STALE, true),
            (Errno::MFILE, true),
            (Errno::ACCESS, false),
            (Errno::ROFS, false),
            (Errno::NOENT, false),
        ] {
            assert_eq!(may_pass(&begun(errno), true), at_start, "{errno}");
            assert!(may_pass(&begun(errno), false), "{errno}");
        }
        assert!(!may_pass(&begun(Errno::BADF), false));
        assert!(!may_pass(&anyhow::anyhow!("no disk"), false));
    }
}
