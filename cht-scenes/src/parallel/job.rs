//! Decodes one chunk of a stream.

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

/// Tells all threads when to stop.
#[derive(Debug, Default)]
pub(crate) struct StopFlags {
    /// Whether frames are no longer wanted.
    all: AtomicBool,
    /// Whether the stream is no longer divided: one decoder decodes the rest.
    pub(super) decoders: AtomicBool,
}

impl StopFlags {
    /// Notes that frames are no longer wanted.
    pub(crate) fn all(&self) {
        self.all.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_all(&self) -> bool {
        self.all.load(Ordering::SeqCst)
    }
}

/// Holds a chunk, and the queue for its frames.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) chunk: Arc<Chunk>,
    pub(super) queue: Arc<Queue>,
}

impl Chunk {
    /// Returns the job that decodes a stream from this chunk on.
    pub(super) fn decode_job(&self, stream: &DecodeJob<'static>) -> DecodeJob<'static> {
        if self.begins.is_none() { stream.clone() } else { stream.within() }
    }
}

/// Decodes chunks, one after another, until the channel ends.
pub(super) fn decode_chunks(
    stream: &DecodeJob<'static>,
    jobs: &Mutex<Receiver<Job>>,
    pool: &Pool,
    stopped: &StopFlags,
) {
    loop {
        let job = lock(jobs).recv();
        let Ok(Job { chunk, queue }) = job else { return };
        if stopped.is_all() || stopped.decoders.load(Ordering::SeqCst) {
            continue;
        }
        let ended = chunk.decode_job(stream).follow(
            Reader::new(pool.clone()),
            |decoder| feed(decoder, None, chunk.bytes.iter().chain(&chunk.beyond)).map(drop),
            |frame, complains| queue.push(frame, complains),
        );
        queue.end(ended);
    }
}

/// Feeds a decoder whose last bytes came from the file `at`. Returns the file that it was fed last.
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
