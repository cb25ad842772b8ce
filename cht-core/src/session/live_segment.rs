//! Reading a segment while cht-recv writes it, to its very end across the rename.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    PART, Session,
    watch::{Id, LOOK_AGAIN, Watch},
};
use crate::storage::regular;

/// Result of reading a growing segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// This many bytes.
    Bytes(usize),
    /// Nothing new within the time of one look; ask again.
    Nothing,
    /// The segment has its final name and was read to its end.
    Finished,
    /// The recorder died, or the segment has moved out of its folder, as when the session was
    /// renamed; its bytes were read to the end of the moment.
    Abandoned,
}

/// A segment that grows.
#[derive(Debug)]
pub struct LiveSegment {
    file: File,
    part: PathBuf,
    inode: u64,
    session: Option<Session>,
    watch: Watch,
    /// How long a wait lasts at most.
    look_again: Duration,
}

impl LiveSegment {
    /// Opens a segment by the path under which it grows (`….ts.part`); also if it has just been
    /// renamed.
    pub fn open(part: &Path) -> io::Result<Self> {
        let file = match regular::open(part) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                regular::open(&finished_path(part))?
            }
            result => result?,
        };
        let inode = file.metadata()?.ino();
        let watch = Watch::new();
        // The file's own descriptor survives the rename; its name may be gone by now.
        let look_again = watch.add(part).map_or(LOOK_AGAIN, Id::look_again);
        Ok(Self {
            file,
            part: part.to_owned(),
            inode,
            session: Session::of_segment(part),
            watch,
            look_again,
        })
    }

    /// Reads the next bytes, or waits a moment for more.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Growth> {
        // The order matters: bytes written before the state was seen are read after it.
        for is_first in [true, false] {
            let state = self.state();
            match self.file.read(buffer)? {
                0 if state != Growth::Nothing => return Ok(state),
                0 => {}
                count => return Ok(Growth::Bytes(count)),
            }
            if is_first {
                self.watch.wait(None, self.look_again)?;
            }
        }
        Ok(Growth::Nothing)
    }

    fn state(&self) -> Growth {
        // Dead before renamed: a recorder that ends properly renames first and unlocks then.
        let dead = self.session.as_ref().is_some_and(|session| !session.is_recording());
        if self.is_at(&self.part) {
            return if dead { Growth::Abandoned } else { Growth::Nothing };
        }
        // Retention may remove a segment that was finished.
        let is_deleted = || self.file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        if self.is_at(&finished_path(&self.part)) || is_deleted() {
            Growth::Finished
        } else {
            Growth::Abandoned
        }
    }

    fn is_at(&self, path: &Path) -> bool {
        path.metadata().is_ok_and(|metadata| metadata.ino() == self.inode)
    }
}

/// Returns the final path of a segment that grows under `part`.
#[must_use]
pub fn finished_path(part: &Path) -> PathBuf {
    match part.to_str().and_then(|path| path.strip_suffix(PART)) {
        Some(path) => path.into(),
        None => part.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn reads_to_the_end_across_the_rename() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("segment_000001.ts.part");
        let mut writer = File::create(&part).unwrap();
        writer.write_all(b"one").unwrap();
        let mut growing = LiveSegment::open(&part).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Bytes(3));
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Nothing);
        writer.write_all(b"last").unwrap();
        std::fs::rename(&part, finished_path(&part)).unwrap();
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Bytes(4));
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Finished);
    }

    #[test]
    fn segment_of_a_renamed_folder_is_abandoned_and_a_deleted_one_was_finished() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
        std::fs::create_dir(&here).unwrap();
        let part = here.join("segment_000001.ts.part");
        std::fs::write(&part, b"one").unwrap();
        let mut growing = LiveSegment::open(&part).unwrap();
        std::fs::rename(&here, &there).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Bytes(3));
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Abandoned);
        std::fs::remove_dir_all(&there).unwrap();
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Finished);
    }

    #[test]
    fn dead_recorder_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let now = crate::process::clock::local();
        let session = Session::create(folder.path(), None, &now).unwrap();
        let lock = session.lock().unwrap();
        std::fs::write(session.part(1), b"one").unwrap();
        let mut growing = LiveSegment::open(&session.part(1)).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Bytes(3));
        drop(lock);
        assert_eq!(growing.read(&mut buffer).unwrap(), Growth::Abandoned);
    }
}
