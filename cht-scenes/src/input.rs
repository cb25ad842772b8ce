//! Describes a decoder's input: segments, or parts of them.

use std::{
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use cht_core::{event::Anchor, session::PART, storage::regular, timeline::WallClock};
use cht_ts::Codec;

/// Size of a write to a decoder, in bytes.
pub(crate) const WRITE: usize = 256 * 1024;

/// Range of bytes of a file.
pub(crate) type Bytes = (PathBuf, Range<u64>);

/// Position of a segment in its session, and the part of it to decode.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub seq: u64,
    /// Its anchor: frames from this PTS on belong to it.
    pub anchor: Anchor,
    pub pid: u16,
    pub codec: Option<Codec>,
    /// Absent for segments without a record.
    pub wall_clock: Option<WallClock>,
    /// Lead of the video's clock over the recorder's anchors, in ticks.
    pub ahead: i64,
    pub(crate) connection: Option<u32>,
    pub(crate) live: bool,
    /// Bytes at this anchor: a jump of the clock divides a segment.
    pub bytes_from: u64,
    pub bytes_until: u64,
    /// Size of the segment, if it is finished.
    pub(crate) bytes: Option<u64>,
}

/// Segment of a run, or preroll before one.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub source: Source,
    /// Its final path.
    pub path: String,
    /// Size of the segment, where it is known beforehand.
    pub bytes: Option<u64>,
    /// Decoded only for its effect on the next segment.
    pub is_preroll: bool,
    /// Whether it may serve as preroll of the next segment.
    pub may_be_preroll: bool,
}

impl Source {
    /// Describes a whole segment that belongs to no other.
    pub(crate) fn alone(seq: u64, anchor: Anchor, pid: u16, codec: Option<Codec>) -> Self {
        Self {
            seq,
            anchor,
            pid,
            codec,
            wall_clock: None,
            ahead: 0,
            connection: None,
            live: false,
            bytes_from: 0,
            bytes_until: u64::MAX,
            bytes: None,
        }
    }

    /// Returns the bytes of the part.
    pub(crate) fn range(&self) -> Range<u64> {
        self.bytes_from..self.bytes_until
    }

    /// Returns the same segment with another part.
    pub(crate) fn part_of(self, range: Range<u64>) -> Self {
        Self { bytes_from: range.start, bytes_until: range.end, ..self }
    }

    /// Returns it as a part of a run.
    pub(crate) fn part(self, path: &str, is_preroll: bool) -> Part {
        Part {
            source: self,
            path: path.to_owned(),
            bytes: self.bytes,
            is_preroll,
            may_be_preroll: true,
        }
    }
}

/// Opens a segment by its final path, or by its path while it grows.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let part = || regular::open(format!("{}{PART}", path.display()).as_ref());
    // The recorder may rename it in between.
    regular::open(path).or_else(|_| part()).or_else(|_| regular::open(path))
}
