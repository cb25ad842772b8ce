//! `--jobs`: chunks of the stream decoded side by side, and put together as one decoder would have given them.
//!
//! Each chunk begins with a keyframe and has a decoder of its own. What the detectors know is handed on with the frames: they take
//! them in order, as always. Only which pictures leave a decoder depends on what came before the chunk; one that is missing is
//! fetched.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Result, anyhow};

use super::{
    merge::{Joiner, Whole},
    queue::Queue,
    split::{Chunk, Divider},
};

use crate::{
    decode::{
        decoder::Decoder,
        frame::{Pool, Reader},
        job::{DecodeJob, feed_file},
        message::Message,
    },
    input::Bytes,
};

/// Decoders at work, who are fed as if they were one.
#[derive(Debug)]
pub(crate) struct DecoderPool {
    divider: Divider,
    /// To the decoders, and in order to who puts together what they give; none when the input has ended.
    outlets: Option<(SyncSender<Job>, Sender<Job>)>,
    stopped: Arc<Stopped>,
    decoders: Vec<JoinHandle<()>>,
    joiner: JoinHandle<Whole>,
}

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

impl DecoderPool {
    /// Starts so many decoders of a stream, whose frames go to `messages`.
    pub(crate) fn start(
        jobs: u8,
        stream: DecodeJob<'static>,
        messages: SyncSender<Message>,
    ) -> Self {
        let stream = Arc::new(stream);
        let (to_decoders, queue) = sync_channel(0);
        let (to_joiner, chunks) = channel();
        let (queue, pool) = (Arc::new(Mutex::new(queue)), Pool::default());
        let stopped = Arc::<Stopped>::default();
        let divider = Divider::new(stream.pid);
        let decoders = (0..jobs).map(|_| {
            let (stream, queue) = (Arc::clone(&stream), Arc::clone(&queue));
            let (pool, stopped) = (pool.clone(), Arc::clone(&stopped));
            std::thread::spawn(move || decode(&stream, &queue, &pool, &stopped))
        });
        let decoders = decoders.collect();
        let joiner = Joiner::new(stream, messages, Arc::clone(&stopped));
        let joiner = std::thread::spawn(move || joiner.run(chunks));
        let outlets = Some((to_decoders, to_joiner));
        Self { divider, outlets, stopped, decoders, joiner }
    }

    /// What is fed next lies in the file at `path`, from byte `from` on.
    pub(crate) fn enter(&mut self, path: &Path, from: u64) {
        self.divider.enter(path, from);
    }

    /// Feeds them; an error means that they have ended.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(outlets) = &self.outlets else { return Ok(()) };
        if self.stopped.is_all() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.divider.push(bytes).for_each(|chunk| hand_out(outlets, chunk));
        Ok(())
    }

    /// No more bytes.
    pub(crate) fn end_input(&mut self) {
        if let Some(outlets) = self.outlets.take() {
            hand_out(&outlets, self.divider.finish());
        }
    }

    /// To stop them while another thread feeds them.
    pub(crate) fn stopped(&self) -> Arc<Stopped> {
        Arc::clone(&self.stopped)
    }

    /// Waits for their end: the last words, and how it went.
    pub(crate) fn finish(mut self) -> (String, Result<()>) {
        self.end_input();
        for decoder in self.decoders {
            let _ = decoder.join();
        }
        let joined = self.joiner.join();
        let Ok(Whole { last_words, finished }) = joined else {
            return (String::new(), Err(anyhow!("a thread panicked")));
        };
        (last_words, finished)
    }
}

impl Chunk {
    /// What decodes a stream from here on.
    pub(super) fn pass(&self, stream: &DecodeJob<'static>) -> DecodeJob<'static> {
        if self.begins.is_none() { stream.clone() } else { stream.within() }
    }
}

/// Waits for a decoder that is free. Whoever has ended takes nothing; that is looked at elsewhere.
fn hand_out((decoders, joiner): &(SyncSender<Job>, Sender<Job>), chunk: Chunk) {
    let job = Job { chunk: Arc::new(chunk), queue: Arc::default() };
    let _ = joiner.send(job.clone());
    let _ = decoders.send(job);
}

/// Decodes one chunk after the other.
fn decode(
    stream: &DecodeJob<'static>,
    jobs: &Mutex<Receiver<Job>>,
    pool: &Pool,
    stopped: &Stopped,
) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
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
pub(super) fn feed<'a>(
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
