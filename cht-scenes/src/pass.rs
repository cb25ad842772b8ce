//! A decoder for a part of a segment, by itself: fed and followed to its end.

use std::{
    sync::mpsc::{RecvTimeoutError, sync_channel},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{clock, ffmpeg::Program};

use crate::{
    decoder::Decoder,
    decoding::{Decode, Decoding},
    feed::Source,
    hwaccel::Hwaccel,
    lines::Decoded,
    outputs::Outputs,
    picker::Message,
    prefilter::{Start, Wanted},
};

/// What is decoded, and what is to be handed over of it.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    pub ffmpeg: &'a Program,
    /// A decoder that does nothing for so long is stopped.
    pub timeout: Duration,
    pub source: &'a Source,
    pub decode: Decode,
    pub wanted: Wanted<'a>,
}

impl Pass<'_> {
    /// Feeds the decoder by `feed`, on a thread of its own. `take` gets each frame, and reads its picture if
    /// that is handed over, and its small luma if that is asked for.
    pub(crate) fn run(
        &self,
        feed: impl FnOnce(&mut Decoder) -> Result<()> + Send,
        mut take: impl FnMut(Decoded, &Outputs) -> Result<()>,
    ) -> Result<()> {
        let Self { source, decode, timeout, .. } = *self;
        let decoding = Decoding { decode, hwaccel: Hwaccel::None, jobs: 1, timeout };
        let (anchor, from) = (source.anchor, source.anchor.offset);
        let start = Start { wanted: self.wanted, anchor, from };
        let (messages, received) = sync_channel(4096);
        let (mut decoder, outputs) = Decoder::start(
            self.ffmpeg,
            source.pid,
            source.codec,
            decoding,
            false,
            &start,
            messages,
        )?;
        let id = decoder.id();
        let done = std::thread::scope(|scope| {
            let feeding = scope.spawn(|| {
                let fed = feed(&mut decoder);
                decoder.end_input();
                fed
            });
            let mut follow = || loop {
                match clock::receive_within(&received, timeout) {
                    Ok(Message::Frame(frame)) => take(frame, &outputs)?,
                    Ok(_) => {}
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Err(RecvTimeoutError::Timeout) => bail!("ffmpeg hung and was stopped"),
                }
            };
            let followed = follow();
            if followed.is_err() {
                // It may be waiting for us, and its feeder for it.
                cht_core::ffmpeg::kill(id);
            }
            let fed = feeding.join().unwrap_or_else(|_| bail!("the feeding thread panicked"));
            followed.and(fed)
        });
        let last_words = decoder.last_words();
        done.with_context(|| format!("ffmpeg said: {last_words}"))
    }
}
