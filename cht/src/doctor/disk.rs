//! The disk of the sessions.

use std::{
    io,
    path::{Path, PathBuf},
};

use cht_core::terminal::units;
use rustix::fs::{Access, access, statvfs};

use super::finding::Finding;

/// Bytes of an hour at 5 Mbit/s, a usual stream.
const HOUR: u64 = 5_000_000 / 8 * 3600;

/// Free bytes below which recording will soon end.
const LITTLE: u64 = HOUR;

/// Free bytes below which there is no use in beginning.
const NONE: u64 = 50_000_000;

/// The folder of the sessions, or the one in which it will be made.
#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    is_writable: bool,
    free: Result<u64, String>,
}

impl Disk {
    pub(crate) fn look(sessions: &Path) -> Self {
        let here = Path::new(".");
        let mut folders =
            sessions.ancestors().map(|it| if it == Path::new("") { here } else { it });
        let folder = folders.find(|folder| folder.exists()).unwrap_or(here).to_owned();
        let may = access(&folder, Access::WRITE_OK | Access::EXEC_OK);
        let free = statvfs(&folder).map(|it| it.f_bavail.saturating_mul(it.f_frsize));
        Self {
            is_writable: may.is_ok() && folder.is_dir(),
            free: free.map_err(|error| io::Error::from(error).to_string()),
            folder: folder.canonicalize().unwrap_or(folder),
        }
    }

    pub(crate) fn judge(&self) -> Finding {
        let folder = self.folder.display();
        if !self.is_writable {
            let remedy = format!("choose a folder with --sessions, or give yourself {folder}");
            return Finding::missing("disk", format!("{folder}: you may not write there"), remedy);
        }
        let free = match &self.free {
            Ok(free) => *free,
            Err(error) => {
                let remedy = "choose another folder with --sessions";
                return Finding::missing("disk", format!("{folder}: {error}"), remedy);
            }
        };
        let hours = format!("{} h at 5 Mbit/s", free / HOUR);
        let text = format!("{folder}: {} free, {hours}", units::size(free));
        let remedy = "choose another folder with --sessions, or let cht-recv make room: --min-free";
        match free {
            ..NONE => Finding::missing("disk", text, remedy),
            NONE..LITTLE => Finding::limited("disk", text, remedy),
            _ => Finding::fine("disk", text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn disk_is_judged_by_its_room_and_permissions() {
        let state = |is_writable, free| {
            let folder = PathBuf::from("/srv/cht");
            Disk { folder, is_writable, free }.judge().state
        };
        assert_eq!(state(true, Ok(100 * HOUR)), State::Fine);
        assert_eq!(state(true, Ok(LITTLE - 1)), State::Limited);
        assert_eq!(state(true, Ok(NONE - 1)), State::Missing);
        assert_eq!(state(false, Ok(100 * HOUR)), State::Missing);
        assert_eq!(state(true, Err("I/O error".into())), State::Missing);
    }

    #[test]
    fn folder_that_will_be_made_is_judged_by_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::look(&folder.path().join("var/sessions"));
        assert!(disk.folder == folder.path() && disk.is_writable && disk.free.is_ok());
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(!Disk::look(&folder.path().join("file/sessions")).is_writable, "a file");
    }
}
