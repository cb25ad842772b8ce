//! Errors of reading and examining a segment.

use std::{io, path::PathBuf};

use crate::event;

/// Reason why a file cannot be used as a segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It cannot be opened or read.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// It holds nothing.
    #[error("{}: the file is empty; nothing was recorded into it", .0.display())]
    Empty(PathBuf),
    /// It holds no transport packets.
    #[error("{}: not an MPEG transport stream (no packet rhythm in its first bytes); \
             convert it with `ffmpeg -i FILE -c copy -f mpegts OUT.ts`", .0.display())]
    NotTransportStream(PathBuf),
    /// Retention was faster than its reader.
    #[error("{}: removed by cht-recv before it was read; left out (keep more: --retain-bytes, --retain-age, --min-free)", .0.display())]
    Deleted(PathBuf),
    /// Its recorder has not written it down: it is closed at this moment, or is none of cht-recv's.
    #[error("{}: its cht-recv has not closed it; left out (run it again later, or --follow its session)", .0.display())]
    Unrecorded(PathBuf),
    /// Events could not name it.
    #[error(transparent)]
    Path(#[from] event::NotUtf8),
}

impl SegmentError {
    /// Returns the word for the `code` field of an `error` event.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "unreadable",
            Self::Empty(_) => "empty",
            Self::NotTransportStream(_) => "not_ts",
            Self::Deleted(_) => "deleted",
            Self::Unrecorded(_) => "growing",
            Self::Path(_) => "not_utf8",
        }
    }
}
