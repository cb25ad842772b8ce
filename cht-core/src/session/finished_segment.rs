//! Reads the bytes of a finished segment, from its beginning to its end.
//!
//! They are read and not mapped: a page of a mapped file that cannot be read (a bad sector, a
//! network disk that is gone, a truncated file) ends the process by SIGBUS, while a failed read is
//! an error that can be reported. Examining 1 GB in the page cache takes 1.06 times the CPU of a
//! mapping (1.03 to 1.15 in 8 runs in turn), and the same time.

use std::{
    fs::File,
    io,
    ops::{Deref, Range},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use memmap2::MmapMut;
use rustix::fs::{Advice, fadvise};

use super::{SegmentError, Session, segment_log::SegmentLog, sequence};
use crate::{process::lock::lock, storage::regular};

/// Length of a read, in bytes: resident memory does not grow with segments, and the bytes are still
/// in the processor's cache when they are scanned.
const WINDOW: usize = 512 << 10;

/// A finished segment, opened once: its bytes are those of the file that was opened, even if
/// another file has its name by then.
#[derive(Debug, Clone)]
pub struct FinishedSegment {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
}

/// Bytes of a finished segment, window by window. Bytes before an error come first, and nothing
/// comes after one.
#[derive(Debug)]
pub struct Windows {
    segment: FinishedSegment,
    at: u64,
    end: u64,
    /// Error that ended it, to be returned after the bytes before it.
    failed: Option<io::Error>,
    /// The buffer, when no window has it.
    spare: Arc<Mutex<Option<MmapMut>>>,
}

/// Bytes of a segment. When it is dropped, the next one is read into the same memory.
#[derive(Debug)]
pub struct Window {
    /// Pages of this process, not of the file: no other process can take them away.
    buffer: Option<MmapMut>,
    length: usize,
    spare: Arc<Mutex<Option<MmapMut>>>,
}

impl FinishedSegment {
    /// Opens the segment at `path`.
    pub fn open(path: &Path) -> Result<Self, SegmentError> {
        let io = |error| SegmentError::Io { path: path.to_owned(), error };
        let file = match regular::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && was_deleted(path) => {
                return Err(SegmentError::Deleted(path.to_owned()));
            }
            result => result.map_err(io)?,
        };
        let length = file.metadata().map_err(io)?.len();
        if length == 0 {
            return Err(SegmentError::Empty(path.to_owned()));
        }
        // Front to back: the kernel reads further ahead.
        let _ = fadvise(&file, 0, None, Advice::Sequential);
        Ok(Self { path: path.to_owned(), file: Arc::new(file), length })
    }

    /// Returns the open file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns its size in bytes when it was opened.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads a part of it, which may reach beyond its end.
    #[must_use]
    pub fn windows(&self, part: &Range<u64>) -> Windows {
        let end = self.length.min(part.end);
        let (at, segment) = (part.start.min(end), self.clone());
        Windows { segment, at, end, failed: None, spare: Arc::default() }
    }

    /// Reads all of it.
    #[must_use]
    pub fn all(&self) -> Windows {
        self.windows(&(0..u64::MAX))
    }
}

impl Windows {
    /// Reads the next window, or a part of it before an error.
    fn read(&mut self) -> io::Result<Window> {
        let buffer = lock(&self.spare).take();
        let mut buffer = buffer.map_or_else(|| MmapMut::map_anon(WINDOW), Ok)?;
        let wanted = WINDOW.min(usize::try_from(self.end - self.at).unwrap_or(WINDOW));
        let mut count = 0;
        while count < wanted {
            let at = self.at + count as u64;
            match self.segment.file.read_at(&mut buffer[count..wanted], at) {
                Ok(0) => {
                    self.failed = Some(truncated(at, self.end));
                    break;
                }
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        self.at += count as u64;
        Ok(Window { buffer: Some(buffer), length: count, spare: Arc::clone(&self.spare) })
    }
}

impl Iterator for Windows {
    type Item = Result<Window, SegmentError>;

    fn next(&mut self) -> Option<Self::Item> {
        let result = match self.failed.take() {
            Some(error) => Err(error),
            None if self.at == self.end => return None,
            None => self.read(),
        };
        match result {
            Ok(window) if window.is_empty() => self.next(),
            Ok(window) => Some(Ok(window)),
            Err(error) => {
                self.end = self.at;
                let message = format!("{error}, at byte {} of it", self.at);
                let error = io::Error::new(error.kind(), message);
                Some(Err(SegmentError::Io { path: self.segment.path.clone(), error }))
            }
        }
    }
}

fn truncated(at: u64, length: u64) -> io::Error {
    let message = format!("truncated from {length} to {at} bytes while it was read");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

impl Deref for Window {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], |buffer| &buffer[..self.length])
    }
}

impl AsRef<[u8]> for Window {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        *lock(&self.spare) = self.buffer.take();
    }
}

/// Tells whether cht-recv has removed the segment at `path`.
fn was_deleted(path: &Path) -> bool {
    let session = Session::of_segment(path);
    let seq = sequence(path);
    session.zip(seq).is_some_and(|(session, seq)| SegmentLog::of(&session).is_deleted(seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(windows: &mut Windows) -> Vec<u8> {
        let mut bytes = Vec::new();
        for window in windows {
            bytes.extend_from_slice(&window.unwrap());
        }
        bytes
    }

    #[test]
    fn windows_are_the_file_in_one_buffer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ts");
        for length in [1, WINDOW, WINDOW + 1, 3 * WINDOW] {
            let bytes: Vec<u8> = (0..length).map(|n| (n / 7) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            let segment = FinishedSegment::open(&path).unwrap();
            assert_eq!(segment.length(), length as u64);
            let mut windows = segment.all();
            assert!(read(&mut windows) == bytes, "{length}");
            let memory = windows.spare.lock().unwrap();
            assert_eq!(memory.as_ref().map(|memory| memory.len()), Some(WINDOW));
        }
    }

    #[test]
    fn truncated_file_gives_what_is_left_and_then_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ts");
        std::fs::write(&path, vec![7; 2 * WINDOW]).unwrap();
        let mut windows = FinishedSegment::open(&path).unwrap().all();
        File::options().write(true).open(&path).unwrap().set_len(WINDOW as u64 + 5).unwrap();
        let lengths = [(); 2].map(|()| windows.next().unwrap().unwrap().len());
        assert_eq!(lengths, [WINDOW, 5]);
        let error = windows.next().unwrap().unwrap_err();
        assert_eq!(error.code(), "unreadable");
        assert!(error.to_string().contains("a.ts: truncated from"), "{error}");
        assert!(windows.next().is_none());
    }

    #[test]
    fn file_that_grows_is_read_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ts");
        std::fs::write(&path, b"one").unwrap();
        let mut windows = FinishedSegment::open(&path).unwrap().all();
        std::fs::write(&path, b"one more").unwrap();
        assert_eq!(read(&mut windows), b"one");
    }
}
