//! Messages to the thread that selects frames, in the order of the stream.

use std::io;

use anyhow::{Context as _, Result};

use super::{ffmpeg_log::Decoded, frame::Frame, pause::Pause};
use crate::input::Part;

/// What the picker is told, in order.
#[derive(Debug)]
pub(crate) enum Message {
    /// The bytes of a segment follow.
    Segment(Part),
    /// A segment was fed to its end.
    Fed {
        /// Its size.
        bytes: u64,
        /// Some of it is to be decoded.
        has_frames: bool,
    },
    /// A frame was decoded; what belongs to it is to be read.
    Frame(Decoded),
    /// The same, with all that belongs to it.
    Whole(Box<Frame>),
    /// The live stream pauses.
    Pause(Pause),
    /// The decoder complains.
    Complaint,
    /// No more input for this decoder.
    Ended,
    /// The decoder has ended before its time.
    Over(End),
}

/// How a decoder's output ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    /// It did nothing until the deadline.
    Hung,
    /// It ended in the middle of a picture.
    Died,
    /// Ctrl-C ended it where a segment was done.
    Cut,
}

impl End {
    /// Of a decoder whose output gave this error.
    pub(crate) fn of(error: io::Error) -> Result<Self> {
        match error.kind() {
            io::ErrorKind::TimedOut => Ok(Self::Hung),
            io::ErrorKind::UnexpectedEof => Ok(Self::Died),
            _ => Err(error).context("a picture from ffmpeg"),
        }
    }
}
