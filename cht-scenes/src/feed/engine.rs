//! Feeds one decoder, or several at once, through one interface.

use std::{io, path::Path, sync::Arc, time::Instant};

use anyhow::Result;
use cht_ts::Plan;

use crate::{
    decode::{decoder::Decoder, pause::Pause},
    parallel::{job::StopFlags, pool::DecoderPool},
};

/// Holds one decoder, or several that stand for one.
#[derive(Debug)]
pub(super) enum Engine {
    One(Decoder),
    Many(Box<DecoderPool>),
}

/// Stops an engine.
#[derive(Debug)]
pub(super) enum StopHandle {
    One(u32),
    Many(Arc<StopFlags>),
}

impl StopHandle {
    /// Stops the engine at once, or as soon as each decoder has given a frame.
    pub(super) fn stop(&self) {
        match self {
            Self::One(id) => cht_core::process::ffmpeg::kill(*id),
            Self::Many(stopped) => stopped.all(),
        }
    }
}

impl Engine {
    /// Notes that the next bytes lie in the file at `path`, from byte `from` on.
    pub(super) fn enter(&mut self, path: &Path, from: u64) {
        if let Self::Many(jobs) = self {
            jobs.enter(path, from);
        }
    }

    /// Feeds the engine; returns an error if it has ended.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::One(decoder) => decoder.feed(bytes),
            Self::Many(jobs) => jobs.feed(bytes),
        }
    }

    /// Does [`Decoder::pause`]; several decoders are fed no live stream.
    pub(super) fn pause(&mut self, now: Instant) -> io::Result<Option<Pause>> {
        match self {
            Self::One(decoder) => decoder.pause(now),
            Self::Many(_) => Ok(None),
        }
    }

    /// Does [`Decoder::follow`].
    pub(super) fn follow(&mut self, plan: Plan) {
        if let Self::One(decoder) = self {
            decoder.follow(plan);
        }
    }

    /// Ends the file that was fed; the next bytes are another file's. Returns whether this one has
    /// frames to decode.
    pub(super) fn end_segment(&mut self) -> bool {
        match self {
            Self::One(decoder) => decoder.end_segment(),
            Self::Many(_) => true,
        }
    }

    /// Ends the input: the engine decodes the bytes that it holds, and ends.
    pub(super) fn end_input(&mut self) {
        match self {
            Self::One(decoder) => decoder.end_input(),
            Self::Many(jobs) => jobs.end_input(),
        }
    }

    /// Returns the handle that stops the engine while another thread feeds it.
    pub(super) fn stop_handle(&self) -> StopHandle {
        match self {
            Self::One(decoder) => StopHandle::One(decoder.id()),
            Self::Many(jobs) => StopHandle::Many(jobs.stopped()),
        }
    }

    /// Waits for the engine to end; its output has to be read to the end before. Returns its last
    /// messages and its result.
    pub(super) fn finish(self) -> (String, Result<()>) {
        match self {
            Self::One(decoder) => (decoder.last_words(), decoder.finish().map_err(Into::into)),
            Self::Many(jobs) => jobs.finish(),
        }
    }
}
