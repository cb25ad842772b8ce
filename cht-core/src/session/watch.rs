//! Waits for files to change.
//!
//! inotify makes it fast; a slow periodic look by the caller makes it right, for file systems
//! without events (NFS), for queues that overflow, and for a system that grants no more of inotify.
//! So every wait has a limit, and a caller looks again after each.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Once,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::inotify,
    io::Errno,
};

use crate::process::report;

/// Longest wait before the caller looks again.
pub const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Time between two looks at a growing file without events, which is the delay of its reader.
const LOOK_OFTEN: Duration = Duration::from_millis(40);

/// Watches files and folders.
#[derive(Debug)]
pub struct Watch {
    /// `None` where the system grants no instance: every wait lasts its whole limit.
    inotify: Option<OwnedFd>,
}

/// A file or a folder that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(i32);

impl Id {
    /// A path without events. The kernel counts from 1.
    const SILENT: Self = Self(0);

    /// Tells whether the system sends events for this path.
    #[must_use]
    pub fn is_heard(self) -> bool {
        self != Self::SILENT
    }

    /// Returns how long a reader of a live stream waits at most before it looks at this path again.
    #[must_use]
    pub fn look_again(self) -> Duration {
        if self.is_heard() { LOOK_AGAIN } else { LOOK_OFTEN }
    }
}

/// A change in a watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub id: Id,
    /// The name in the folder; empty for the watched file itself.
    pub name: std::ffi::OsString,
    /// It was created or moved in: the name is new, or another file has it.
    pub named: bool,
    /// A writer closed it, or it was moved in: it is complete.
    pub finished: bool,
    /// The name is no longer there, and how it went.
    pub gone: Option<Gone>,
    /// Changes were lost here, of anything that is watched.
    pub lost: bool,
}

/// How a name left a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gone {
    /// The file was removed.
    Removed,
    /// The file was moved out, or has another name now.
    MovedOut,
}

impl Watch {
    /// Watches nothing yet. A system that grants no inotify is reported once, and nothing ends a
    /// wait early.
    #[must_use]
    pub fn new() -> Self {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let inotify = inotify::init(flags).map_err(|errno| say_silent(errno, "instances"));
        Self { inotify: inotify.ok() }
    }

    /// Watches a file or a folder: writes, closes, moves and new files.
    pub fn add(&self, path: &Path) -> io::Result<Id> {
        self.watch(path, inotify::WatchFlags::MODIFY)
    }

    /// Watches the names in a folder: closes, moves and new files. Writes are left out: a stream
    /// makes a hundred per second.
    pub fn add_names(&self, folder: &Path) -> io::Result<Id> {
        self.watch(folder, inotify::WatchFlags::empty())
    }

    fn watch(&self, path: &Path, flags: inotify::WatchFlags) -> io::Result<Id> {
        let names = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVED_FROM
            | inotify::WatchFlags::MOVE_SELF
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::DELETE;
        let Some(inotify) = &self.inotify else {
            return path.metadata().map(|_| Id::SILENT);
        };
        match inotify::add_watch(inotify, path, flags | names) {
            Ok(id) => Ok(Id(id)),
            // All watches of this user are in use, or there is no memory for one.
            Err(errno @ (Errno::NOSPC | Errno::NOMEM)) => {
                say_silent(errno, "watches");
                Ok(Id::SILENT)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Watches a file or a folder no longer; one that is gone is none already.
    pub fn forget(&self, id: Id) {
        if let Some(inotify) = self.inotify.as_ref().filter(|_| id.is_heard()) {
            let _ = inotify::remove_watch(inotify, id.0);
        }
    }

    /// Waits until something changes, `stop` becomes readable, or `limit` is over; returns the
    /// changes.
    pub fn wait(&self, stop: Option<&dyn AsFd>, limit: Duration) -> io::Result<Vec<Change>> {
        let limit =
            Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        let fds = self.inotify.iter().map(OwnedFd::as_fd).chain(stop.map(AsFd::as_fd));
        let mut descriptors: Vec<_> =
            fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut descriptors, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => self.changes(),
            Err(error) => Err(error.into()),
        }
    }

    fn changes(&self) -> io::Result<Vec<Change>> {
        let mut changes = Vec::new();
        let Some(inotify) = &self.inotify else { return Ok(changes) };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
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
                        gone: match () {
                            () if is(inotify::ReadFlags::DELETE) => Some(Gone::Removed),
                            () if is(inotify::ReadFlags::MOVED_FROM) => Some(Gone::MovedOut),
                            () => None,
                        },
                        lost: is(inotify::ReadFlags::QUEUE_OVERFLOW),
                    });
                }
                Err(Errno::AGAIN) => return Ok(changes),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new()
    }
}

/// Reports, once, that changes are found by looking, and the limit to raise.
fn say_silent(errno: Errno, limit: &str) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        report::note(format_args!(
            "no inotify ({errno}); files are looked at again and again instead (to raise the limit: \
             sysctl fs.inotify.max_user_{limit})"
        ));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_file_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::new();
        watch.add(folder.path()).unwrap();
        std::fs::write(folder.path().join("a.ts"), b"x").unwrap();
        let changes = watch.wait(None, Duration::from_secs(5)).unwrap();
        assert!(changes.iter().any(|c| c.name == "a.ts" && c.finished), "{changes:?}");
    }

    #[test]
    fn watch_without_inotify_waits_its_limit_and_still_names_absent_paths() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch { inotify: None };
        assert_eq!(watch.add(folder.path()).unwrap().look_again(), LOOK_OFTEN);
        assert!(watch.add_names(&folder.path().join("absent")).is_err());
        std::fs::write(folder.path().join("a.ts"), b"x").unwrap();
        assert_eq!(watch.wait(None, Duration::from_millis(1)).unwrap(), []);
        let (stopped, stop) = rustix::pipe::pipe().unwrap();
        drop(stop);
        assert_eq!(watch.wait(Some(&stopped), Duration::from_secs(600)).unwrap(), []);
    }

    #[test]
    fn write_within_a_file_is_no_change_of_names() {
        let [one, two] = [(), ()].map(|()| tempfile::tempdir().unwrap());
        let mut file = std::fs::File::create(one.path().join("a.ts")).unwrap();
        let watch = Watch::new();
        let ids = [&one, &two].map(|folder| watch.add_names(folder.path()).unwrap());
        std::io::Write::write_all(&mut file, b"x").unwrap();
        assert_eq!(watch.wait(None, Duration::ZERO).unwrap(), []);
        std::fs::write(two.path().join("a.ts"), b"x").unwrap();
        let changes = watch.wait(None, Duration::from_secs(5)).unwrap();
        assert!(changes.iter().all(|c| c.id == ids[1] && c.name == "a.ts"), "{changes:?}");
        assert!(changes[0].named && !changes[0].finished, "{changes:?}");
    }
}
