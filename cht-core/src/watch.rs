//! Waiting for files to change.
//!
//! inotify makes it fast; a slow periodic look by the caller makes it right, for file systems that send nothing
//! (NFS) and for queues that overflow. So every wait has a limit, and a caller looks again after each,
//! whatever woke it.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify,
};

/// How long a wait lasts at most before the caller looks again.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Watches files and folders.
#[derive(Debug)]
pub struct Watch {
    inotify: OwnedFd,
}

/// What happened in a watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The name in the folder; empty for the watched file itself.
    pub name: std::ffi::OsString,
    /// A writer closed it, or it was moved in: nobody is writing it any more.
    pub finished: bool,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        Ok(Self { inotify: inotify::init(flags)? })
    }

    /// Watches a file or a folder: what is written, closed, moved or made there.
    pub fn add(&self, path: &Path) -> io::Result<()> {
        let flags = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVE_SELF
            | inotify::WatchFlags::CREATE;
        inotify::add_watch(&self.inotify, path, flags)?;
        Ok(())
    }

    /// Waits until something changes, `stop` becomes readable, or `limit` is over; returns the changes.
    pub fn wait(&self, stop: Option<&dyn AsFd>, limit: Duration) -> io::Result<Vec<Change>> {
        let limit =
            Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        let mut descriptors = vec![PollFd::new(&self.inotify, PollFlags::IN)];
        descriptors.extend(stop.map(|stop| PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)));
        match poll(&mut descriptors, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => self.changes(),
            Err(error) => Err(error.into()),
        }
    }

    fn changes(&self) -> io::Result<Vec<Change>> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        let mut changes = Vec::new();
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| {
                        use std::os::unix::ffi::OsStrExt as _;
                        std::ffi::OsStr::from_bytes(name.to_bytes()).to_owned()
                    });
                    let finished = inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::MOVED_TO;
                    changes.push(Change {
                        name: name.unwrap_or_default(),
                        finished: event.events().intersects(finished),
                    });
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(changes),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_closed_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new().unwrap();
        watch.add(folder.path()).unwrap();
        std::fs::write(folder.path().join("a.ts"), b"x").unwrap();
        let changes = watch.wait(None, Duration::from_secs(5)).unwrap();
        assert!(changes.iter().any(|c| c.name == "a.ts" && c.finished), "{changes:?}");
    }
}
