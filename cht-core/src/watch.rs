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

/// What is watched: a file or a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(i32);

/// What happened in a watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub id: Id,
    /// The name in the folder; empty for the watched file itself.
    pub name: std::ffi::OsString,
    /// It was created or moved in: the name is new, or another file has it.
    pub named: bool,
    /// A writer closed it, or it was moved in: nobody is writing it any more.
    pub finished: bool,
    /// Changes were lost here, of anything that is watched.
    pub lost: bool,
}

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        Ok(Self { inotify: inotify::init(flags)? })
    }

    /// Watches a file or a folder: what is written, closed, moved or made there.
    pub fn add(&self, path: &Path) -> io::Result<Id> {
        self.watch(path, inotify::WatchFlags::MODIFY)
    }

    /// Watches the names in a folder: what is closed, moved or made there. What is written is left out, which a
    /// stream does a hundred times a second.
    pub fn add_names(&self, folder: &Path) -> io::Result<Id> {
        self.watch(folder, inotify::WatchFlags::empty())
    }

    fn watch(&self, path: &Path, flags: inotify::WatchFlags) -> io::Result<Id> {
        let names = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVE_SELF
            | inotify::WatchFlags::CREATE;
        Ok(Id(inotify::add_watch(&self.inotify, path, flags | names)?))
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
                    let is = |flags| event.events().intersects(flags);
                    changes.push(Change {
                        id: Id(event.wd()),
                        name: name.unwrap_or_default(),
                        named: is(inotify::ReadFlags::CREATE | inotify::ReadFlags::MOVED_TO),
                        finished: is(
                            inotify::ReadFlags::CLOSE_WRITE | inotify::ReadFlags::MOVED_TO
                        ),
                        lost: is(inotify::ReadFlags::QUEUE_OVERFLOW),
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

    #[test]
    fn write_within_a_file_is_no_change_of_names() {
        let [one, two] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let mut file = std::fs::File::create(one.path().join("a.ts")).unwrap();
        let watch = Watch::new().unwrap();
        let ids = [&one, &two].map(|folder| watch.add_names(folder.path()).unwrap());
        std::io::Write::write_all(&mut file, b"x").unwrap();
        assert_eq!(watch.wait(None, Duration::ZERO).unwrap(), []);
        std::fs::write(two.path().join("a.ts"), b"x").unwrap();
        let changes = watch.wait(None, Duration::from_secs(5)).unwrap();
        assert!(changes.iter().all(|c| c.id == ids[1] && c.name == "a.ts"), "{changes:?}");
        assert!(changes[0].named && !changes[0].finished, "{changes:?}");
    }
}
