//! Runs one decoder over consecutive segments, and the thread that follows it.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Result, bail};
use cht_core::{
    event::Anchor,
    process::{clock, ffmpeg::Program},
    session::Position,
};
use cht_ts::{Codec, SingleStream};

use super::engine::Engine;
use crate::{
    decode::{
        decoder::{Decoder, Input},
        filter::Start,
        frame::Reader,
        frames::{Frames, MAX_QUEUED},
        job::DecodeJob,
        message::{End, Message, Sent, Writes},
        mode::{Decode, Decoding},
    },
    input::{Part, Source},
    parallel::pool::DecoderPool,
    select::selector::{FrameSelector, Run},
};

/// Largest number of frames queued for the selector with their samples.
const WHOLE_FRAMES: usize = 16;

/// Holds a running decoder, and the thread that follows it.
#[derive(Debug)]
pub(super) struct Running {
    pub engine: Engine,
    pub decode: Decode,
    pub anchor: Anchor,
    pub pid: u16,
    pub codec: Option<Codec>,
    pub connection: Option<u32>,
    /// Path of the segment being fed.
    pub path: String,
    messages: SyncSender<Sent>,
    follower: JoinHandle<(Box<FrameSelector>, Result<End>)>,
    writes: Arc<Writes>,
}

/// Holds the results of a run.
#[derive(Debug)]
pub(super) struct StoppedRun {
    pub selector: Box<FrameSelector>,
    pub end: End,
    pub last_words: String,
    pub finished: Result<()>,
}

/// An engine, and both ends of its messages.
type Started = (Engine, SyncSender<Sent>, Frames);

impl Running {
    /// Starts a decoder for the video of `source`, whose frames `selector` gets.
    pub(super) fn start(
        ffmpeg: &Program,
        decoding: Decoding,
        source: &Source,
        (start, sets): (Start<'static>, Option<Arc<[u8]>>),
        mut selector: Box<FrameSelector>,
    ) -> Result<Self> {
        let anchor = start.anchor;
        let (engine, messages, frames) = engine(ffmpeg, decoding, source, start, sets)?;
        let writes = Arc::new(Writes::default());
        let (pid, stop, seen) = (source.pid, engine.stop_handle(), Arc::clone(&writes));
        let follower = std::thread::spawn(move || {
            let mut run = Run { frames, pid, timeout: decoding.limits.timeout, writes: &seen };
            let end = selector.follow(&mut run);
            if !matches!(end, Ok(End::Complete)) {
                // The feeder may be waiting for the engine to take more.
                stop.stop();
                selector.leave(run.frames);
            }
            (selector, end)
        });
        Ok(Self {
            engine,
            decode: decoding.decode,
            anchor,
            pid,
            codec: source.codec,
            connection: source.connection,
            path: String::new(),
            messages,
            follower,
            writes,
        })
    }

    /// Tells the selector that the bytes of a part follow.
    pub(super) fn tell(&self, part: Part) {
        let _ = self.messages.send(Message::Segment(part).into());
    }

    /// Feeds the engine; returns an error if it has ended.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writes.count(|| self.engine.feed(bytes))
    }

    /// Ends the last picture if a live stream pauses, and tells the selector.
    pub(super) fn pause(&mut self) {
        // The next feed notices a decoder that has ended.
        let pause = self.writes.count(|| self.engine.pause(clock::monotonic()).ok().flatten());
        if let Some(pause) = pause {
            let _ = self.messages.send(Message::Pause(pause).into());
        }
    }

    /// Notes that a segment was fed to its end; `within`: no picture begins in it.
    pub(super) fn fed(&mut self, bytes: u64, within: bool) {
        let has_frames = self.engine.end_segment() && !within;
        let _ = self.messages.send(Message::Fed { bytes, has_frames }.into());
    }

    /// Ends the input, and waits until the engine has decoded the bytes that it holds.
    pub(super) fn stop(mut self) -> Result<StoppedRun> {
        let _ = self.messages.send(Message::Ended.into());
        drop(self.messages);
        self.engine.end_input();
        let Ok((selector, end)) = self.follower.join() else { bail!("the selector panicked") };
        let (last_words, finished) = self.engine.finish();
        Ok(StoppedRun { selector, end: end?, last_words, finished })
    }

    /// Stops the run at once, and drops its selector.
    pub(super) fn abandon(self) -> Result<()> {
        self.engine.stop_handle().stop();
        drop(self.messages);
        // The selector holds the lock of the folder.
        let Ok(joined) = self.follower.join() else { bail!("the selector panicked") };
        drop(joined);
        let _ = self.engine.finish();
        Ok(())
    }

    /// Returns whether the run decodes the video that the segment at `path` continues.
    pub(super) fn is_of(&self, source: &Source, path: &str) -> bool {
        let fed = Position { path: &self.path, anchor: self.anchor };
        fed.leads_to(&Position { path, anchor: source.anchor })
            && (self.pid, self.codec) == (source.pid, source.codec)
            && self.connection == source.connection
    }

    /// Returns whether nothing more comes without more input or its end: one decoder was fed all
    /// that there is, or several wait for the rest of a chunk.
    pub(super) fn has_caught_up(&self) -> bool {
        match &self.engine {
            Engine::One(_) => true,
            Engine::Many(pool) => pool.has_caught_up(),
        }
    }

    /// Returns whether a segment can be fed to the run: several decoders read finished files only.
    pub(super) fn takes(&self, source: &Source) -> bool {
        !(source.live && matches!(self.engine, Engine::Many(_)))
    }
}

/// Starts the engine of a run: several decoders if `--jobs` asks for them and the stream can be
/// divided. A growing segment cannot be divided.
fn engine(
    ffmpeg: &Program,
    decoding: Decoding,
    source: &Source,
    start: Start<'static>,
    sets: Option<Arc<[u8]>>,
) -> Result<Started> {
    let pid = source.pid;
    let is_divided = decoding.jobs > 1 && decoding.decode == Decode::Full && !source.live;
    if let Some(codec) = source.codec.filter(|&codec| is_divided && SingleStream::takes(codec)) {
        let (messages, received) = sync_channel(WHOLE_FRAMES);
        let (jobs, decoding) = (decoding.jobs, Decoding { jobs: 1, ..decoding });
        let stream =
            DecodeJob { ffmpeg: ffmpeg.clone(), pid, codec: Some(codec), decoding, start, sets };
        let jobs = Box::new(DecoderPool::start(jobs, stream, messages.clone()));
        let frames = Frames::new(received, None, Reader::default());
        return Ok((Engine::Many(jobs), messages, frames));
    }
    let (messages, received) = sync_channel(MAX_QUEUED);
    let (decoder, outputs) = Decoder::start(
        ffmpeg,
        &Input { pid, codec: source.codec, sets: sets.as_deref() },
        decoding,
        source.live,
        &start,
        messages.clone(),
    )?;
    let frames = Frames::new(received, Some(outputs), Reader::default());
    Ok((Engine::One(decoder), messages, frames))
}
