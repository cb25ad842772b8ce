//! Decodes a part of the stream on its own: feeds a decoder and reads its frames to the end.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::Path,
    sync::{Arc, mpsc::sync_channel},
    time::Duration,
};

use anyhow::{Result, bail};
use cht_core::process::ffmpeg::{FfmpegError, Program};
use cht_ts::Codec;

use super::{
    decoder::{Decoder, Input},
    filter::{Start, Wanted},
    frame::{Frame, Reader},
    hwaccel::Hwaccel,
    message::{End, Message},
    mode::{Decode, Decoding, Limits},
};
use crate::{
    decode::frames::{Frames, MAX_QUEUED, Next},
    input::{Source, WRITE, open},
    track::parameter_sets,
};

/// Describes the video to decode, and the pictures to hand over.
#[derive(Debug, Clone)]
pub(crate) struct DecodeJob<'a> {
    pub ffmpeg: Program,
    pub pid: u16,
    pub codec: Option<Codec>,
    pub decoding: Decoding,
    pub start: Start<'a>,
    /// Parameter sets, for a first keyframe that comes without any.
    pub sets: Option<Arc<[u8]>>,
}

/// Tells how a decode job ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub end: End,
    /// Whether the decoder has complained.
    pub complains: bool,
    pub last_words: String,
    pub finished: Result<(), FfmpegError>,
}

impl Ended {
    /// Returns whether the decoder has ended before its time, or found nothing that it could
    /// decode.
    pub(crate) fn has_failed(&self) -> bool {
        self.finished.as_ref().is_err_and(|error| !error.is_for_errors_in_frames())
    }
}

impl<'a> DecodeJob<'a> {
    /// Creates a job for the segment at `path`, decoded by the processor. A decoder that exceeds
    /// `limits` is stopped.
    pub(crate) fn of(
        ffmpeg: &Program,
        limits: Limits,
        source: &Source,
        path: &Path,
        decode: Decode,
        wanted: Wanted<'a>,
    ) -> Self {
        let decoding = Decoding { decode, hwaccel: Hwaccel::None, jobs: 1, limits };
        let (anchor, from) = (source.anchor, source.anchor.offset);
        let start = Start { wanted, anchor, from };
        let (pid, codec) = (source.pid, source.codec);
        let sets = parameter_sets::before(path, source.connection, pid);
        Self { ffmpeg: ffmpeg.clone(), pid, codec, decoding, start, sets }
    }

    /// Returns the same job for a decoder that begins later.
    pub(crate) fn within(&self) -> Self {
        Self { start: self.start.without_state(), ..self.clone() }
    }

    /// Feeds the decoder with `feed` on a thread, and passes each frame to `take`. Returns an error
    /// if the decoder fails.
    pub(crate) fn run(
        &self,
        feed: impl FnOnce(&mut Decoder) -> Result<()> + Send,
        mut take: impl FnMut(Frame),
    ) -> Result<()> {
        let ended = self.follow(Reader::default(), feed, |frame, _| {
            take(frame);
            true
        })?;
        let end = match ended.end {
            End::Complete => return Ok(()),
            End::Hung => "hung and was stopped",
            End::Died => "died",
            End::Cut | End::Unwanted => "was stopped",
        };
        bail!("ffmpeg {end}; it said: {}", ended.last_words)
    }

    /// Does the same as [`Self::run`], and returns how the job ended. `take` also gets whether the
    /// decoder has complained since the last frame, and returns whether it wants more.
    pub(crate) fn follow(
        &self,
        reader: Reader,
        feed: impl FnOnce(&mut Decoder) -> Result<()> + Send,
        mut take: impl FnMut(Frame, bool) -> bool,
    ) -> Result<Ended> {
        let (messages, received) = sync_channel(MAX_QUEUED);
        let (mut decoder, outputs) = Decoder::start(
            &self.ffmpeg,
            &Input { pid: self.pid, codec: self.codec, sets: self.sets.as_deref() },
            self.decoding,
            false,
            &self.start,
            messages,
        )?;
        let mut frames = Frames::new(received, Some(outputs), reader);
        let id = decoder.id();
        let (mut complains, mut has_just) = (false, false);
        let end = std::thread::scope(|scope| {
            let feeding = scope.spawn(|| {
                let fed = feed(&mut decoder);
                decoder.end_input();
                fed
            });
            let timeout = self.decoding.limits.timeout;
            let end = read_frames(&mut frames, timeout, |frame| {
                let Some(frame) = frame else {
                    (complains, has_just) = (true, true);
                    return true;
                };
                take(frame, std::mem::take(&mut has_just))
            });
            if !matches!(end, Ok(End::Complete)) {
                // The decoder may be waiting for this thread, and the feeder for the decoder.
                cht_core::process::ffmpeg::kill(id);
            }
            let fed = feeding.join().unwrap_or_else(|_| bail!("the feeding thread panicked"));
            fed.and(end)
        })?;
        let last_words = decoder.last_words();
        Ok(Ended { end, complains, last_words, finished: decoder.finish() })
    }
}

/// Reads frames until the decoder ends or `take` wants no more. `take` gets each frame, and `None`
/// for each complaint of the decoder.
fn read_frames(
    frames: &mut Frames,
    timeout: Duration,
    mut take: impl FnMut(Option<Frame>) -> bool,
) -> Result<End> {
    loop {
        let wanted = match frames.next(timeout)? {
            Next::Message(Message::Frame(frame)) => take(Some(*frame)),
            Next::Message(Message::Complaint) => take(None),
            Next::Message(_) => true,
            Next::Timeout => return Ok(End::Hung),
            Next::End(end) => return Ok(end),
        };
        if !wanted {
            return Ok(End::Unwanted);
        }
    }
}

/// Feeds a decoder with bytes of a file.
pub(crate) fn feed_file(decoder: &mut Decoder, path: &Path, bytes: &Range<u64>) -> Result<()> {
    let mut file = open(path)?;
    file.seek(SeekFrom::Start(bytes.start))?;
    let mut part = file.take(bytes.end - bytes.start);
    let mut buffer = vec![0; WRITE];
    loop {
        let count = part.read(&mut buffer)?;
        // A decoder that has ended takes no input; the frames that it gave remain.
        if count == 0 || decoder.feed(&buffer[..count]).is_err() {
            break;
        }
    }
    Ok(())
}
