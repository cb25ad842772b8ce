//! What a run is fed to: one decoder, or several at once.

use std::{io, path::Path, sync::Arc, time::Instant};

use anyhow::Result;
use cht_ts::Plan;

use crate::{
    decode::{decoder::Decoder, pause::Pause},
    parallel::{job::Stopped, pool::DecoderPool},
};

/// One decoder, or several that stand for one.
#[derive(Debug)]
pub(super) enum Engine {
    One(Decoder),
    Many(Box<DecoderPool>),
}

/// Stops an engine.
#[derive(Debug)]
pub(super) enum StopHandle {
    One(u32),
    Many(Arc<Stopped>),
}

impl StopHandle {
    /// Stops it at once, or as soon as each decoder has given a frame.
    pub(super) fn stop(&self) {
        match self {
            Self::One(id) => cht_core::process::ffmpeg::kill(*id),
            Self::Many(stopped) => stopped.all(),
        }
    }
}

impl Engine {
    /// What is fed next lies in the file at `path`, from byte `from` on.
    pub(super) fn enter(&mut self, path: &Path, from: u64) {
        if let Self::Many(jobs) = self {
            jobs.enter(path, from);
        }
    }

    /// Feeds it; an error means that it has ended.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::One(decoder) => decoder.feed(bytes),
            Self::Many(jobs) => jobs.feed(bytes),
        }
    }

    /// See [`Decoder::pause`]; several decoders are fed no live stream.
    pub(super) fn pause(&mut self, now: Instant) -> io::Result<Option<Pause>> {
        match self {
            Self::One(decoder) => decoder.pause(now),
            Self::Many(_) => Ok(None),
        }
    }

    /// See [`Decoder::follow`].
    pub(super) fn follow(&mut self, plan: Plan) {
        if let Self::One(decoder) = self {
            decoder.follow(plan);
        }
    }

    /// The next bytes are those of another file. Returns whether this one has frames to be decoded.
    pub(super) fn end_segment(&mut self) -> bool {
        match self {
            Self::One(decoder) => decoder.end_segment(),
            Self::Many(_) => true,
        }
    }

    /// No more bytes: it decodes what it holds, and ends.
    pub(super) fn end_input(&mut self) {
        match self {
            Self::One(decoder) => decoder.end_input(),
            Self::Many(jobs) => jobs.end_input(),
        }
    }

    /// To stop it while another thread feeds it.
    pub(super) fn stop_handle(&self) -> StopHandle {
        match self {
            Self::One(decoder) => StopHandle::One(decoder.id()),
            Self::Many(jobs) => StopHandle::Many(jobs.stopped()),
        }
    }

    /// Waits for its end, once its output was read to the end: its last words, and how it went.
    pub(super) fn finish(self) -> (String, Result<()>) {
        match self {
            Self::One(decoder) => (decoder.last_words(), decoder.finish().map_err(Into::into)),
            Self::Many(jobs) => jobs.finish(),
        }
    }
}
