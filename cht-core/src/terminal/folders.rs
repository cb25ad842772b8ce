//! The folders that a stage wrote to, for its summary.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{paths::near, units};

/// The last folder, and the number of changes to another one.
#[derive(Debug, Default)]
pub struct Folders {
    last: Option<PathBuf>,
    entered: u64,
}

impl Folders {
    /// Notes that results go to `path` from now on.
    pub fn enter(&mut self, path: &Path) {
        if self.last.as_deref() != Some(path) {
            self.last = Some(path.to_owned());
            self.entered += 1;
        }
    }

    /// Tells whether there is one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}

impl fmt::Display for Folders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(last) = &self.last else { return write!(f, "no folder") };
        match self.entered {
            1 => write!(f, "{}", near(last).display()),
            folders => {
                write!(f, "{}, at last {}", units::count(folders, "folder"), near(last).display())
            }
        }
    }
}
