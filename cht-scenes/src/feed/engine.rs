//! What a run is fed to: one decoder, or several at once.

use std::{io, path::Path};

use anyhow::Result;
use cht_core::ts::Plan;

use crate::{decoder::Decoder, jobs::Jobs};

/// One decoder, or several that stand for one.
#[derive(Debug)]
pub(super) enum Engine {
    One(Decoder),
    Many(Jobs),
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

    /// The process to be stopped if it hangs. Several look after themselves.
    pub(super) fn id(&self) -> Option<u32> {
        match self {
            Self::One(decoder) => Some(decoder.id()),
            Self::Many(_) => None,
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
