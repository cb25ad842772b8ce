//! Tells whether a segment is finished. A segment of cht-recv is by its name; other programs' files
//! are observed.
//!
//! A file is finished when its writer has closed it, or when it has not changed for `--settle` and
//! no process is seen to have it open. An empty file is not finished: writers create one before
//! they have anything to write.

use std::{
    fs::{self, Metadata},
    hash::{DefaultHasher, Hasher as _},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context as _, Result};
use cht_core::{
    session::{Session, natural_sort, segment_log::SegmentLog, sequence},
    storage::regular,
};

use crate::{
    names::{Kind, LeftOut, is_hidden, kind_of},
    writers,
};

/// Shortest rest of a file that was seen being written: a writer may pause.
const OPEN_REST: Duration = Duration::from_secs(60);

/// Age from which on a file is no longer looked for among the open ones.
pub(crate) const LONG_REST: Duration = Duration::from_secs(600);

/// Length of the beginning that tells a rewritten file from an appended one, in bytes.
const HEAD: u64 = 4096;

/// Content of a folder.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Its segments, in natural order.
    pub segments: Vec<PathBuf>,
    /// Folders in it that are not hidden.
    pub folders: Vec<PathBuf>,
    pub left_out: LeftOut,
}

impl Contents {
    /// Lists `folder`.
    pub(crate) fn of(folder: &Path) -> Result<Self> {
        let named = || folder.display().to_string();
        let mut contents = Self::default();
        for entry in fs::read_dir(folder).with_context(named)? {
            let entry = entry.with_context(named)?;
            let path = entry.path();
            // A link to a folder may lead back.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if !is_hidden(&path) {
                    contents.folders.push(path);
                }
                continue;
            }
            match kind_of(&path) {
                Kind::Segment => contents.segments.push(path),
                kind => contents.left_out.count(&path, kind),
            }
        }
        contents.segments.sort_by(|a, b| natural_sort::compare(a, b));
        Ok(contents)
    }
}

/// Returns the finished segments of a session, in order.
pub(crate) fn segments_of(session: &Session) -> Result<Vec<PathBuf>> {
    let alive = session.is_recording();
    let mut segments = session.segments().with_context(|| session.name().to_owned())?;
    if alive {
        // A segment is finished when it is in the record, a moment after it gets its name.
        let record = SegmentLog::of(session);
        segments.retain(|path| sequence(path).is_some_and(|seq| record.get(seq).is_some()));
    }
    Ok(segments)
}

/// Returns whether cht-recv gave this segment its final name.
pub(crate) fn is_recorded(path: &Path) -> bool {
    sequence(path).is_some() && Session::of_segment(path).is_some()
}

/// State of a file without reading it: it tells the file from others, and from itself at another
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub id: writers::Id,
    pub bytes: u64,
    pub modified: SystemTime,
    is_file: bool,
}

impl Stamp {
    /// Returns the stamp of the file at `path`; a link counts as its target.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        Self::from(&path.metadata()?)
    }

    fn from(metadata: &Metadata) -> io::Result<Self> {
        Ok(Self {
            id: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: metadata.modified()?,
            is_file: metadata.is_file(),
        })
    }

    /// Returns whether the content is unchanged. Inodes are left out: some file systems change them
    /// after a while.
    pub(crate) fn is_unchanged(&self, later: &Self) -> bool {
        (self.bytes, self.modified) == (later.bytes, later.modified)
    }
}

/// Returns a hash of a file's beginning.
pub(crate) fn head_of(path: &Path) -> Option<u64> {
    let mut head = Vec::new();
    regular::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&head);
    Some(hasher.finish())
}

/// State of the program that writes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The file was there before, or the system does not tell.
    Unknown,
    /// It created the file or has it open, and was not seen to close it.
    Open,
    /// It closed the file, or the file was moved here.
    Closed,
}

/// Observed growth of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Growth {
    None,
    Seen,
    /// The file was examined and has been appended to since: its writer closes it more than once.
    Appended,
}

/// A file that may not be finished.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub stamp: Stamp,
    /// When it was last seen to change.
    since: Instant,
    pub writer: Writer,
    pub growth: Growth,
    /// Whether it was looked for among the open files since it last changed.
    pub asked: bool,
}

impl Candidate {
    /// Creates a candidate that is first seen at `now`.
    pub(crate) fn new(stamp: Stamp, now: Instant) -> Self {
        let (writer, growth) = (Writer::Unknown, Growth::None);
        Self { stamp, since: now, writer, growth, asked: false }
    }

    /// Notes the state of the file at `now`.
    pub(crate) fn see(&mut self, stamp: Stamp, now: Instant) {
        if !self.stamp.is_unchanged(&stamp) {
            if self.growth == Growth::None && self.stamp.bytes > 0 {
                self.growth = Growth::Seen;
            }
            (self.since, self.asked) = (now, false);
        }
        self.stamp = stamp;
    }

    /// Returns the remaining rest until it counts as finished. `age` is the time since it was
    /// written, by the clock of its file system.
    pub(crate) fn remaining(&self, settle: Duration, now: Instant, age: Duration) -> Duration {
        // Either clock counts: it was seen to rest, or was last written long ago.
        let rested = now.saturating_duration_since(self.since).max(age);
        self.needed(settle).saturating_sub(rested)
    }

    fn needed(&self, settle: Duration) -> Duration {
        if !self.stamp.is_file
            || (self.is_closed() && self.growth != Growth::Appended && self.stamp.bytes > 0)
        {
            // Examining reports the problem with anything but a file.
            return Duration::ZERO;
        }
        let is_fresh = self.stamp.bytes == 0 && !self.is_closed();
        if self.writer == Writer::Open || is_fresh { settle.max(OPEN_REST) } else { settle }
    }

    /// Returns whether its writer was seen to close it.
    pub(crate) fn is_closed(&self) -> bool {
        self.writer == Writer::Closed
    }

    /// Returns whether it will probably be finished soon, so that later names wait for it.
    pub(crate) fn is_about_to_finish(&self) -> bool {
        self.writer != Writer::Open && self.growth == Growth::None && self.stamp.bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(2);

    fn candidate(bytes: u64) -> Candidate {
        let stamp = Stamp { id: (1, 1), bytes, modified: SystemTime::UNIX_EPOCH, is_file: true };
        Candidate::new(stamp, cht_core::process::clock::monotonic())
    }

    fn remaining(candidate: &Candidate, seconds: u64) -> u64 {
        let now = candidate.since + Duration::from_secs(seconds);
        candidate.remaining(SETTLE, now, Duration::ZERO).as_secs()
    }

    #[test]
    fn closed_file_is_finished_at_once_and_resting_file_after_settle() {
        let mut file = candidate(188);
        assert_eq!((remaining(&file, 0), remaining(&file, 2)), (2, 0));
        file.writer = Writer::Closed;
        assert_eq!(remaining(&file, 0), 0);
    }

    #[test]
    fn empty_file_is_not_finished_until_it_was_closed_or_long_at_rest() {
        let mut file = candidate(0);
        assert_eq!((remaining(&file, 5), remaining(&file, 60)), (55, 0));
        file.writer = Writer::Closed;
        assert_eq!((remaining(&file, 0), remaining(&file, 2)), (2, 0));
    }

    #[test]
    fn open_file_may_pause() {
        let mut file = candidate(188);
        file.writer = Writer::Open;
        assert_eq!((remaining(&file, 10), remaining(&file, 60)), (50, 0));
    }

    #[test]
    fn appended_file_has_to_rest_although_closed() {
        let mut file = candidate(188);
        (file.growth, file.writer) = (Growth::Appended, Writer::Closed);
        assert_eq!((remaining(&file, 0), remaining(&file, 2)), (2, 0));
    }
}
