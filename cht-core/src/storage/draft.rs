//! Files that are written piece by piece, and then change places with the file of their name.
//!
//! [`durable::replace`] is for files that no other program writes. A draft is for one that another
//! program may edit at any moment: the system exchanges the two names, and the replaced file can be
//! read afterwards, so that no edit is lost.

use std::{
    fs::{self, File, FileTimes, Metadata},
    io::{self, BufWriter, Write},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use super::durable;
use crate::process::clock;

/// Size of a write, in bytes.
const BLOCK: usize = 256 << 10;

/// Age after which a further change of a file gets another time, on any file system.
const SETTLED: Duration = Duration::from_secs(3);

/// A file in the making. It is removed unless it takes its place.
#[derive(Debug)]
pub struct Draft {
    output: BufWriter<File>,
    path: PathBuf,
    /// Name until it takes its place; `None` afterwards, and of one that has none until then.
    temporary: Option<PathBuf>,
    /// Whether it was made next to other work.
    is_apart: bool,
}

/// A draft that has taken its place.
#[derive(Debug)]
pub struct Exchanged {
    /// The new file.
    pub stamp: Option<Stamp>,
    /// Size of the new file, in bytes.
    pub size: u64,
    /// The replaced file, if there was one. It lies at [`durable::swapped_out`], and the caller
    /// removes it once its content is safe elsewhere.
    pub replaced: Option<io::Result<File>>,
}

impl Draft {
    /// Begins a file that is to become `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let (file, temporary) = durable::create_temporary(path)?;
        let output = BufWriter::with_capacity(BLOCK, file);
        Ok(Self { output, path: path.to_owned(), temporary: Some(temporary), is_apart: false })
    }

    /// Begins a file that is to become `path`, and has no name until then: a kill leaves nothing.
    /// Where the file system has no such files, it has one.
    pub fn create_unnamed(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let Ok(file) = durable::create_unnamed(folder.unwrap_or(Path::new("."))) else {
            return Self::create(path);
        };
        let output = BufWriter::with_capacity(BLOCK, file);
        Ok(Self { output, path: path.to_owned(), temporary: None, is_apart: false })
    }

    /// Begins a file that is to become `path`, under a name of its own: others may be drafted and
    /// take their place in the meantime.
    pub fn create_apart(path: &Path) -> io::Result<Self> {
        let apart = durable::with_suffix(path, ".new");
        let mut draft = Self::create(&apart)?;
        (draft.path, draft.is_apart) = (path.to_owned(), true);
        Ok(draft)
    }

    /// Removes what a killed process has left of one that was begun apart.
    pub fn remove_apart(path: &Path) -> io::Result<()> {
        durable::remove(&durable::swapped_out(&durable::with_suffix(path, ".new"))).map(drop)
    }

    /// Puts the bytes so far on the disk, so that a later sync has little to do.
    pub fn settle(&mut self) -> io::Result<()> {
        self.output.flush()?;
        self.output.get_ref().sync_data()
    }

    /// Returns the file, for a program that writes it instead.
    #[must_use]
    pub fn file(&self) -> &File {
        self.output.get_ref()
    }

    /// Gives the file its name, durably, in place of one that no other program edits.
    pub fn publish(mut self) -> io::Result<()> {
        self.output.flush()?;
        let file = self.output.get_ref();
        let temporary = match self.temporary.take() {
            Some(temporary) => temporary,
            None => durable::name_temporary(file, &self.path)?,
        };
        let published = durable::publish(file, &temporary, &self.path);
        self.temporary = published.is_err().then_some(temporary);
        published
    }

    /// Takes the name of other drafts. Fails (`ENOENT`) if another process has removed the file.
    fn take_usual_name(&mut self) -> io::Result<()> {
        let Some(temporary) = self.temporary.take() else { unreachable!("taken later") };
        let there = fs::symlink_metadata(&temporary)?;
        let own = self.output.get_ref().metadata()?;
        if (there.dev(), there.ino()) != (own.dev(), own.ino()) {
            return Err(Errno::NOENT.into());
        }
        let usual = durable::swapped_out(&self.path);
        fs::rename(&temporary, &usual)?;
        self.temporary = Some(usual);
        Ok(())
    }

    /// Gives the file its name, durably: a reader sees the old file or the new one, never a part.
    ///
    /// A draft that was begun apart may have been removed by another process: `ENOENT`.
    ///
    /// A file system that cannot exchange names (NFS) leaves a moment between opening the old file
    /// and the rename, and the old file has no name afterwards.
    pub fn exchange(mut self) -> io::Result<Exchanged> {
        self.output.flush()?;
        let stamp = Stamp::set(self.output.get_ref())?;
        self.output.get_ref().sync_all()?;
        if self.is_apart {
            self.take_usual_name()?;
        }
        let Some(temporary) = &self.temporary else { unreachable!("taken here only") };
        let replaced = match renameat_with(CWD, temporary, CWD, &self.path, RenameFlags::EXCHANGE) {
            Ok(()) => Some(durable::open_to_read(temporary)),
            Err(Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
                let before = match durable::open_to_read(&self.path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                    before => Some(before),
                };
                fs::rename(temporary, &self.path)?;
                before
            }
            Err(error) => return Err(error.into()),
        };
        self.temporary = None;
        durable::sync_folder_of(&self.path)?;
        let size = self.output.get_ref().metadata()?.len();
        Ok(Exchanged { stamp, size, replaced })
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // On a full disk each byte counts.
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// State of a file's content, which tells without reading it whether it was changed: device, inode,
/// size and time of the last change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// Returns the stamp of an open file, to compare with an earlier one.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }

    /// Returns the stamp of a file that another program has written; `None` while a further change
    /// could leave the time as it is.
    pub fn settled(file: &File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        Ok((clock::age_of_change(&metadata) > SETTLED).then(|| Self::from(&metadata)))
    }

    /// Sets the time of a file's content to the nanosecond. The system writes the time of its last
    /// tick, so a change within the same tick is told from ours, too. `None` where the file system
    /// rounds times.
    fn set(file: &File) -> io::Result<Option<Self>> {
        let now = SystemTime::from(clock::wall());
        if file.set_times(FileTimes::new().set_modified(now)).is_err() {
            return Ok(None);
        }
        let metadata = file.metadata()?;
        let is_exact = metadata.modified().is_ok_and(|modified| modified == now);
        Ok((is_exact && metadata.mtime_nsec() != 0).then(|| Self::from(&metadata)))
    }
}

impl From<&Metadata> for Stamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::FileExt as _};

    use super::*;

    fn exchange(path: &Path, bytes: &[u8]) -> Exchanged {
        let mut draft = Draft::create(path).unwrap();
        draft.write_all(bytes).unwrap();
        draft.exchange().unwrap()
    }

    #[test]
    fn replaced_file_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let read = |exchanged: Exchanged| {
            let mut text = String::new();
            exchanged.replaced.unwrap().unwrap().read_to_string(&mut text).unwrap();
            text
        };
        assert!(exchange(&path, b"one").replaced.is_none());
        assert_eq!(read(exchange(&path, b"two")), "one");
        fs::write(&path, b"by another").unwrap();
        assert_eq!(read(exchange(&path, b"three")), "by another");
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read(durable::swapped_out(&path)).unwrap(), b"by another");
    }

    #[test]
    fn dropped_draft_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut draft = Draft::create(&path).unwrap();
        draft.write_all(&vec![0; 2 * BLOCK]).unwrap();
        drop(draft);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn unnamed_draft_is_not_there_until_it_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let names = || fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name());
        // One that a kill has left, of a file system that had no unnamed files.
        fs::write(durable::swapped_out(&path), "old").unwrap();
        for text in ["one", "two"] {
            let before = names().count();
            let mut draft = Draft::create_unnamed(&path).unwrap();
            draft.write_all(text.as_bytes()).unwrap();
            draft.settle().unwrap();
            assert_eq!(names().count(), before);
            draft.publish().unwrap();
            assert_eq!(names().collect::<Vec<_>>(), ["a.json"]);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn change_within_a_tick_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        for _ in 0..100 {
            let Some(stamp) = exchange(&path, b"[false]").stamp else { return };
            let file = File::options().read(true).write(true).open(&path).unwrap();
            assert_eq!(Stamp::of(&file).unwrap(), stamp);
            file.write_all_at(b"true ", 1).unwrap();
            assert_ne!(Stamp::of(&file).unwrap(), stamp);
            assert_eq!(Stamp::settled(&file).unwrap(), None, "changed just now");
        }
    }
}
