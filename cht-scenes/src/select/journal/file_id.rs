//! Identifies the file of a segment by any of its names: a link, another spelling of its path, a
//! folder that was moved.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use serde::{Deserialize, Serialize};

/// Identifies a file. The time of the last write is part of it: the inode of a removed file goes to
/// another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FileId {
    dev: u64,
    ino: u64,
    bytes: u64,
    /// Time of the last write, in nanoseconds since 1970.
    written: i128,
}

impl FileId {
    /// Returns the identity of the file at `path`.
    pub(crate) fn at(path: &str) -> Option<Self> {
        let metadata = Path::new(path).metadata().ok()?;
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let written = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Some(Self { dev: metadata.dev(), ino: metadata.ino(), bytes: metadata.len(), written })
    }

    /// Returns whether two files have the same size and were last written at the same time, such as
    /// a file and a copy that keeps the times.
    pub(crate) fn is_written_as(&self, other: &Self) -> bool {
        (self.bytes, self.written) == (other.bytes, other.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_under_any_name_is_same_until_written() {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(named("a.ts"), "one").unwrap();
        std::os::unix::fs::symlink(named("a.ts"), named("link.ts")).unwrap();
        std::fs::create_dir(named("d")).unwrap();
        let known = FileId::at(&named("a.ts"));
        assert!(known.is_some());
        assert_eq!(known, FileId::at(&named("link.ts")));
        assert_eq!(known, FileId::at(&named("d/../a.ts")));
        std::fs::copy(named("a.ts"), named("copy.ts")).unwrap();
        let copy = FileId::at(&named("copy.ts"));
        assert_ne!(known, copy);
        let is_as = |other: Option<FileId>| known.unwrap().is_written_as(&other.unwrap());
        assert!(!is_as(copy));
        let time = std::fs::metadata(named("a.ts")).unwrap().modified().unwrap();
        std::fs::File::options()
            .write(true)
            .open(named("copy.ts"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        assert!(is_as(FileId::at(&named("copy.ts"))));
        std::fs::rename(named("a.ts"), named("d/a.ts")).unwrap();
        assert_eq!(known, FileId::at(&named("d/a.ts")));
        assert_eq!(FileId::at(&named("a.ts")), None);
    }
}
