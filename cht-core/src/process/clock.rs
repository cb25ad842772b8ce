//! The only module that reads clocks or lets time pass (`docs/time.md`, rule 8).
//!
//! All other code takes an instant or a duration as an argument, so it can be tested.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant, SystemTime},
};

use jiff::{Timestamp, Zoned};
use rustix::{
    event::{PollFd, Timespec, poll},
    io::Errno,
};

/// Reads the wall clock, for people: it may step. Never subtract two of these.
#[must_use]
pub fn wall() -> Timestamp {
    Timestamp::now()
}

/// Reads the wall clock in the machine's time zone, for names of sessions.
#[must_use]
pub fn local() -> Zoned {
    Zoned::now()
}

/// Reads the monotonic clock, for durations.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Returns the time since a file was last written, by its own clock; zero for a file "from the
/// future".
pub fn age_of(path: &Path) -> std::io::Result<Duration> {
    let modified = path.metadata()?.modified()?;
    Ok(SystemTime::now().duration_since(modified).unwrap_or_default())
}

/// Returns the time since a file was last written, renamed or otherwise changed, by its own clock;
/// zero for a change "in the future".
#[must_use]
pub fn age_of_change(file: &Metadata) -> Duration {
    let seconds = u64::try_from(file.ctime()).unwrap_or_default();
    let nanoseconds = u32::try_from(file.ctime_nsec()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds.min(999_999_999));
    SystemTime::now().duration_since(changed).unwrap_or_default()
}

/// Returns the time at which a file was last written, by the file system's clock.
pub fn modified(path: &Path) -> std::io::Result<Timestamp> {
    let modified = path.metadata()?.modified()?;
    Timestamp::try_from(modified).map_err(std::io::Error::other)
}

/// Waits for a message, for at most `limit`.
pub fn receive_within<T>(receiver: &Receiver<T>, limit: Duration) -> Result<T, RecvTimeoutError> {
    receiver.recv_timeout(limit)
}

/// Waits until a descriptor is ready, or until `limit` if there is one; a signal may end it early.
pub fn wait_ready(descriptors: &mut [PollFd<'_>], limit: Option<Instant>) -> io::Result<()> {
    let rest = limit.map(|limit| limit.saturating_duration_since(monotonic()));
    // A duration that does not fit is longer than any machine runs.
    let rest = rest.and_then(|rest| Timespec::try_from(rest).ok());
    match poll(descriptors, rest.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Lets time pass. For retries after an error that no event announces the end of.
pub fn rest(duration: Duration) {
    std::thread::sleep(duration);
}
