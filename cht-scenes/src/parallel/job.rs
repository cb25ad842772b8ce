//! One chunk of a stream, and a decoder for it.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::Receiver,
    },
};

use anyhow::Result;
use cht_core::process::lock::lock;

use super::{queue::Queue, split::Chunk};
use crate::{
    decode::{
        decoder::Decoder,
        frame::{Pool, Reader},
        job::{DecodeJob, feed_file},
    },
    input::Bytes,
};

/// What the threads have to know of each other.
#[derive(Debug, Default)]
pub(crate) struct Stopped {
    /// No frame is wanted any more.
    all: AtomicBool,
    /// The stream is not decoded side by side any more.
    pub(super) decoders: AtomicBool,
}

impl Stopped {
    /// No frame is wanted any more.
    pub(crate) fn all(&self) {
        self.all.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_all(&self) -> bool {
        self.all.load(Ordering::SeqCst)
    }
}

/// A chunk, and where its frames go.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) chunk: Arc<Chunk>,
    pub(super) queue: Arc<Queue>,
}

impl Chunk {
    /// What decodes a stream from here on.
    pub(super) fn pass(&self, stream: &DecodeJob<'static>) -> DecodeJob<'static> {
        if self.begins.is_none() { stream.clone() } else { stream.within() }
    }
}

/// Decodes chunks, one after another, until there are no more.
pub(super) fn decode_chunks(
    stream: &DecodeJob<'static>,
    jobs: &Mutex<Receiver<Job>>,
    pool: &Pool,
    stopped: &Stopped,
) {
    loop {
        let job = lock(jobs).recv();
        let Ok(Job { chunk, queue }) = job else { return };
        if stopped.is_all() || stopped.decoders.load(Ordering::SeqCst) {
            continue;
        }
        let ended = chunk.pass(stream).follow(
            Reader::new(pool.clone()),
            |decoder| feed(decoder, None, chunk.bytes.iter().chain(&chunk.beyond)).map(drop),
            |frame, complains| queue.push(frame, complains),
        );
        queue.end(ended);
    }
}

/// Feeds a decoder whose last bytes came from the file `at`; which file that is then.
pub(crate) fn feed<'a>(
    decoder: &mut Decoder,
    mut at: Option<PathBuf>,
    bytes: impl IntoIterator<Item = &'a Bytes>,
) -> Result<Option<PathBuf>> {
    for (path, range) in bytes {
        if at.replace(path.clone()).is_some_and(|at| at != *path) {
            decoder.end_segment();
        }
        feed_file(decoder, path, range)?;
    }
    Ok(at)
}
