//! Messages to the thread that selects frames, in the order of the stream.

use std::{
    io,
    sync::{Mutex, MutexGuard},
};

use anyhow::{Context as _, Result};
use cht_core::process::lock::lock;

use super::{ffmpeg_log::DecodedFrame, frame::Frame, pause::Pause};
use crate::input::Part;

/// Holds a message about the input of a decoder, or a frame.
#[derive(Debug)]
pub(crate) enum Message {
    /// The bytes of a segment follow.
    Segment(Part),
    /// A segment was fed to its end.
    Fed {
        /// Size of the segment, in bytes.
        bytes: u64,
        /// Whether the segment has frames to decode.
        has_frames: bool,
    },
    /// A frame was decoded.
    Frame(Box<Frame>),
    /// The live stream pauses.
    Pause(Pause),
    /// The decoder complains.
    Complaint,
    /// The input of this decoder has ended.
    Ended,
}

/// Holds an item of the channel from a decoder and its feeder.
#[derive(Debug)]
pub(crate) enum Sent {
    /// A message.
    Message(Message),
    /// A frame was decoded, whose samples are still in the pipes of the decoder.
    Decoded(DecodedFrame),
    /// The decoders have ended before their time.
    Over(End),
}

impl From<Message> for Sent {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

/// Tells how the output of a decoder ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    /// The decoder did nothing until the deadline.
    Hung,
    /// The decoder ended within a picture.
    Died,
    /// Ctrl-C ended the decoder where a segment was done.
    Cut,
    /// Nobody wanted more of its frames.
    Unwanted,
}

impl End {
    /// Returns the end of a decoder whose output gave this error.
    pub(crate) fn of(error: io::Error) -> Result<Self> {
        match error.kind() {
            io::ErrorKind::TimedOut => Ok(Self::Hung),
            io::ErrorKind::UnexpectedEof => Ok(Self::Died),
            _ => Err(error).context("a picture from ffmpeg"),
        }
    }
}

/// Counts the writes to a decoder, to tell a decoder that hangs from one that has nothing to do.
#[derive(Debug, Default)]
pub(crate) struct Writes(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    begun: u64,
    is_under_way: bool,
}

impl Writes {
    /// Counts `write` while it is under way.
    pub(crate) fn count<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut counted = self.lock();
        counted.begun += 1;
        counted.is_under_way = true;
        drop(counted);
        let written = write();
        self.lock().is_under_way = false;
        written
    }

    /// Returns the number of the write that is under way.
    pub(crate) fn under_way(&self) -> Option<u64> {
        let counted = self.lock();
        counted.is_under_way.then_some(counted.begun)
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        lock(&self.0)
    }
}
