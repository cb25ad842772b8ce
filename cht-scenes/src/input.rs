//! Where the input of a decoder lies: segments, or parts of them.

use std::{
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use cht_core::{event::Anchor, session::PART, storage::regular};
use cht_ts::Codec;

/// Bytes per write to a decoder.
pub(crate) const WRITE: usize = 256 * 1024;

/// A range of bytes of a file.
pub(crate) type Bytes = (PathBuf, Range<u64>);

/// Where a segment lies and what of it is decoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub seq: u64,
    /// Its place: frames from its PTS on belong to it.
    pub anchor: Anchor,
    pub pid: u16,
    pub codec: Option<Codec>,
    /// By how much its clock is ahead of the recorder's anchors, in ticks.
    pub ahead: i64,
    pub(crate) connection: Option<u32>,
    pub(crate) live: bool,
    /// The part of it that lies there: up to where its clock jumps, and from there on.
    pub bytes_from: u64,
    pub bytes_until: u64,
    /// Its size, if it is finished.
    pub(crate) bytes: Option<u64>,
}

/// A segment of a run, or the run-up to it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub source: Source,
    /// Its final path.
    pub path: String,
    /// Its size, where that is known beforehand.
    pub bytes: Option<u64>,
    /// Decoded for its effect on the next segment only.
    pub warm_up: bool,
    /// It may be decoded as a run-up to the next.
    pub runs_up: bool,
}

impl Source {
    /// A segment by itself, whole.
    pub(crate) fn alone(seq: u64, anchor: Anchor, pid: u16, codec: Option<Codec>) -> Self {
        Self {
            seq,
            anchor,
            pid,
            codec,
            ahead: 0,
            connection: None,
            live: false,
            bytes_from: 0,
            bytes_until: u64::MAX,
            bytes: None,
        }
    }

    /// Returns where the part lies, in bytes.
    pub(crate) fn range(&self) -> Range<u64> {
        self.bytes_from..self.bytes_until
    }

    /// The same of another part.
    pub(crate) fn part_of(self, range: Range<u64>) -> Self {
        Self { bytes_from: range.start, bytes_until: range.end, ..self }
    }

    pub(crate) fn part(self, path: &str, warm_up: bool) -> Part {
        Part { source: self, path: path.to_owned(), bytes: self.bytes, warm_up, runs_up: true }
    }
}

/// Opens a segment by its final path, or by the one that it has while it grows.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let part = || regular::open(format!("{}{PART}", path.display()).as_ref());
    // It may be finished just now.
    regular::open(path).or_else(|_| part()).or_else(|_| regular::open(path))
}
