//! Decodes chunks of the stream in parallel (`--jobs`), and joins their frames as one decoder would
//! have given them.
//!
//! Each chunk begins with a keyframe and has its own decoder. The detectors keep their state,
//! because they take the frames in order, as always. Only the choice of the pictures that leave a
//! decoder depends on the frames before the chunk; a missing picture is decoded again.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Sender, SyncSender, channel, sync_channel},
    },
    thread::JoinHandle,
};

use anyhow::{Result, anyhow};
use rustix::process::nice;

use super::{
    merge::{Joiner, Whole},
    queue::Queue,
    split::{Chunk, Divider},
};
use crate::{
    decode::{frame::Pool, job::DecodeJob, message::Sent},
    parallel::job::{Job, StopFlags, decode_chunks},
};

/// Added to the niceness of the decoders: a recorder beside them comes first.
const NICENESS: i32 = 5;

/// Size of the queued frames of all decoders together, in bytes.
const QUEUED: usize = 512 << 20;

/// Feeds several decoders as if they were one.
#[derive(Debug)]
pub(crate) struct DecoderPool {
    divider: Divider,
    /// Channels to the decoders and, in order, to the joiner; none after the input has ended.
    outlets: Option<(SyncSender<Job>, Sender<Job>)>,
    stopped: Arc<StopFlags>,
    decoders: Vec<JoinHandle<()>>,
    joiner: JoinHandle<Whole>,
    /// Share of a chunk in [`QUEUED`].
    share: usize,
    /// Number of chunks that were handed out, and of those whose frames were sent.
    given: usize,
    joined: Arc<AtomicUsize>,
}

impl DecoderPool {
    /// Starts `jobs` decoders of a stream, whose frames go to `messages`.
    pub(crate) fn start(jobs: u8, stream: DecodeJob<'static>, messages: SyncSender<Sent>) -> Self {
        let stream = Arc::new(stream);
        let (to_decoders, queue) = sync_channel(0);
        let (to_joiner, chunks) = channel();
        let (queue, pool) = (Arc::new(Mutex::new(queue)), Pool::default());
        let stopped = Arc::<StopFlags>::default();
        let divider = Divider::new(stream.pid);
        let decoders = (0..jobs).map(|_| {
            let (stream, queue) = (Arc::clone(&stream), Arc::clone(&queue));
            let (pool, stopped) = (pool.clone(), Arc::clone(&stopped));
            std::thread::spawn(move || {
                // Of this thread alone, and of the programs that it starts (setpriority(2), NOTES).
                let _ = nice(NICENESS);
                decode_chunks(&stream, &queue, &pool, &stopped);
            })
        });
        let decoders = decoders.collect();
        let joined = Arc::<AtomicUsize>::default();
        let joiner = Joiner::new(stream, messages, Arc::clone(&stopped), Arc::clone(&joined));
        let joiner = std::thread::spawn(move || joiner.run(chunks));
        let outlets = Some((to_decoders, to_joiner));
        let share = QUEUED / usize::from(jobs);
        Self { divider, outlets, stopped, decoders, joiner, share, given: 0, joined }
    }

    /// Notes that the next bytes lie in the file at `path`, from byte `from` on.
    pub(crate) fn enter(&mut self, path: &Path, from: u64) {
        self.divider.enter(path, from);
    }

    /// Feeds the decoders; returns an error if they have ended.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(outlets) = &self.outlets else { return Ok(()) };
        if self.stopped.is_all() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        for chunk in self.divider.push(bytes) {
            hand_out(outlets, chunk, self.share);
            self.given += 1;
        }
        Ok(())
    }

    /// Returns whether the frames of all complete chunks were sent.
    pub(crate) fn has_caught_up(&self) -> bool {
        self.joined.load(Ordering::SeqCst) == self.given
    }

    /// Ends the input.
    pub(crate) fn end_input(&mut self) {
        if let Some(outlets) = self.outlets.take() {
            hand_out(&outlets, self.divider.finish(), self.share);
        }
    }

    /// Returns the flag that stops the decoders while another thread feeds them.
    pub(crate) fn stopped(&self) -> Arc<StopFlags> {
        Arc::clone(&self.stopped)
    }

    /// Waits for the decoders to end. Returns their last messages and their result.
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

/// Waits for a free decoder and hands it the chunk. A thread that has ended takes none;
/// [`DecoderPool::finish`] returns its result.
fn hand_out((decoders, joiner): &(SyncSender<Job>, Sender<Job>), chunk: Chunk, share: usize) {
    let job = Job { chunk: Arc::new(chunk), queue: Arc::new(Queue::new(share)) };
    let _ = joiner.send(job.clone());
    let _ = decoders.send(job);
}
