//! Limits of the system for one user or one process.

use cht_core::{storage::regular, terminal::units};
use rustix::{
    fs::inotify,
    process::{Resource, getrlimit},
};

use super::finding::Finding;

/// Folders that one user may watch, below which many sessions may be too many.
const FEW_WATCHES: u64 = 1024;

/// Open files of a process, below which a page with many viewers may be too many.
const FEW_DESCRIPTORS: u64 = 256;

/// Watching folders.
#[derive(Debug)]
pub(crate) struct Inotify {
    works: bool,
    watches: Option<u64>,
}

impl Inotify {
    pub(crate) fn look() -> Self {
        let limit = regular::read_to_string("/proc/sys/fs/inotify/max_user_watches".as_ref());
        Self {
            works: inotify::init(inotify::CreateFlags::CLOEXEC).is_ok(),
            watches: limit.ok().and_then(|text| text.trim().parse().ok()),
        }
    }

    pub(crate) fn judge(&self) -> Finding {
        if !self.works {
            let text = "no more instances for this user; growing files are noticed later";
            let remedy = "sudo sysctl fs.inotify.max_user_instances=512";
            return Finding::limited("inotify", text, remedy);
        }
        match self.watches {
            Some(watches @ ..FEW_WATCHES) => Finding::limited(
                "inotify",
                format!(
                    "{} may be watched by all programs of a user together",
                    units::count(watches, "folder")
                ),
                "sudo sysctl fs.inotify.max_user_watches=65536",
            ),
            Some(watches) => Finding::fine(
                "inotify",
                format!("{} may be watched", units::count(watches, "folder")),
            ),
            None => Finding::fine("inotify", "works"),
        }
    }
}

/// Open files of a process.
#[derive(Debug)]
pub(crate) struct Descriptors {
    /// `None` for no limit.
    limit: Option<u64>,
}

impl Descriptors {
    pub(crate) fn look() -> Self {
        Self { limit: getrlimit(Resource::Nofile).current }
    }

    pub(crate) fn judge(&self) -> Finding {
        match self.limit {
            Some(limit @ ..FEW_DESCRIPTORS) => Finding::limited(
                "open files",
                format!("{limit} for a process; few browsers can look at pages at once"),
                "ulimit -n 1024",
            ),
            Some(limit) => Finding::fine("open files", format!("{limit} for a process")),
            None => Finding::fine("open files", "no limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn low_limits_are_named_with_the_command_that_raises_them() {
        let inotify = |works, watches| Inotify { works, watches }.judge();
        assert_eq!(inotify(true, Some(65_536)).state, State::Fine);
        assert_eq!(inotify(true, None).state, State::Fine);
        for low in [inotify(true, Some(8)), inotify(false, Some(65_536))] {
            assert!(low.state == State::Limited && low.remedy.unwrap().starts_with("sudo sysctl "));
        }
        let files = |limit| Descriptors { limit }.judge().state;
        assert_eq!(
            (files(Some(64)), files(Some(1024)), files(None)),
            (State::Limited, State::Fine, State::Fine)
        );
    }
}
