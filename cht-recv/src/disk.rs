//! A disk that refuses: which errors pass by when somebody makes room, and waiting for that.

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

/// Time that a disk which refuses has left when the recorder is asked to stop: what is not written by then is lost.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// Less room than this is none, in bytes.
const NO_ROOM: u64 = 64 << 10;

/// Returns whether the disk or the system refuses: any error but a mistake of the caller. The stream
/// is not at fault, and the error may pass.
pub(crate) fn refuses(error: &io::Error) -> bool {
    cause(error) != Cause::Mistake
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    cause(error) == Cause::Full
}

/// Whether an error says that there is no room, and there is none on the disk of `path`.
pub(crate) fn has_no_room(error: &io::Error, path: &Path) -> bool {
    let folder = path.parent().unwrap_or(path);
    is_full(error) && free(folder).is_ok_and(|free| free < NO_ROOM)
}

/// Whether an error that ended the beginning of a session comes from a disk without room.
pub(crate) fn was_full(error: &anyhow::Error) -> bool {
    of_the_disk(error).is_some_and(is_full)
}

/// Whether an error that ended the beginning of a session comes from a disk that may take it later. At the start of the
/// program, a wrong folder is none of those.
pub(crate) fn may_pass(error: &anyhow::Error, at_start: bool) -> bool {
    of_the_disk(error).is_some_and(|error| refuses(error) && !(at_start && is_wrong(error)))
}

/// Whether trying again for some seconds can help: not where something else has the name, or nothing.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    !matches!(cause(error), Cause::Mistake | Cause::Name)
}

/// Whether an error that ended the beginning of a session says that the disk is read-only: some file systems turn so for a
/// moment.
pub(crate) fn was_read_only(error: &anyhow::Error) -> bool {
    of_the_disk(error).is_some_and(|error| cause(error) == Cause::ReadOnly)
}

fn is_wrong(error: &io::Error) -> bool {
    matches!(cause(error), Cause::Name | Cause::Denied | Cause::ReadOnly | Cause::NoDevice)
}

/// The error of the system that is among the causes.
fn of_the_disk(error: &anyhow::Error) -> Option<&io::Error> {
    error.chain().find_map(|cause| {
        let of_session = match cause.downcast_ref() {
            Some(SessionError::Io { error, .. }) => Some(error),
            _ => None,
        };
        cause.downcast_ref::<io::Error>().or(of_session)
    })
}

/// Whether the disk refuses at present: the threads that write share it, and one of them says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusal(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    refuses: AtomicBool,
    /// When the recorder was found to be asked to stop while the disk refused.
    asked_to_stop: OnceLock<Instant>,
}

impl Refusal {
    /// The disk refuses. Returns whether nobody has said so yet.
    pub(crate) fn begin(&self) -> bool {
        !self.0.refuses.swap(true, Ordering::Relaxed)
    }

    /// The disk takes again what it had refused.
    pub(crate) fn end(&self) {
        if self.0.refuses.swap(false, Ordering::Relaxed) {
            report::note("the disk takes bytes again; recording goes on");
        }
    }

    /// Lets a moment pass before the disk is tried again; `false` if the recorder was asked to stop more than
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

/// What people are told to do about a refusal.
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

/// Bytes that this process may still write to the disk of `path`.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail * disk.f_frsize)
}

/// Lets a moment pass before the disk is tried again; `false` if the recorder is asked to stop instead.
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
    fn any_error_but_a_mistake_is_a_refusal() {
        // Every error that Linux has.
        let all = (1..=133).map(io::Error::from_raw_os_error);
        let mistakes = all.filter(|error| !refuses(error)).count();
        assert_eq!(mistakes, 5, "BADF, FAULT, INVAL, NOTTY and SPIPE");
        assert!(refuses(&io::ErrorKind::WriteZero.into()));
    }

    #[test]
    fn wrong_folder_ends_a_start_and_a_sick_disk_does_not() {
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
