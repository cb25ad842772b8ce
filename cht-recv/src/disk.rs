//! A disk that refuses: which errors pass by when somebody makes room, and waiting for that.

use std::{io, os::unix::net::UnixStream, path::Path, time::Duration};

use cht_core::session::SessionError;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// How long until the disk is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Whether an error is one of the disk's: full, over quota, read-only or broken. None of them is the stream's
/// fault, and each may pass.
pub(crate) fn refuses(error: &io::Error) -> bool {
    let refusals = [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO];
    refusals.iter().any(|refusal| error.raw_os_error() == Some(refusal.raw_os_error()))
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    let full = [Errno::NOSPC, Errno::DQUOT];
    full.iter().any(|full| error.raw_os_error() == Some(full.raw_os_error()))
}

/// Whether a disk without room is what an error comes from.
pub(crate) fn was_full(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let of_session = match cause.downcast_ref() {
            Some(SessionError::Io { error, .. }) => Some(error),
            _ => None,
        };
        cause.downcast_ref::<io::Error>().or(of_session).is_some_and(is_full)
    })
}

/// Bytes that this process may still write to the disk of `path`.
pub(crate) fn free(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail * disk.f_frsize)
}

/// Lets a moment pass before the disk is tried again; `false` if the recorder is asked to stop instead.
pub(crate) fn wait(stop: &UnixStream) -> bool {
    let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(TRY_AGAIN.subsec_nanos()) };
    let mut descriptors = [PollFd::new(stop, PollFlags::IN)];
    !matches!(poll(&mut descriptors, Some(&limit)), Ok(ready) if ready > 0)
}
