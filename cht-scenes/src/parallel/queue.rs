//! Queues the frames of decoders that are ahead of their turn.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use cht_core::process::lock::lock;

use crate::decode::{frame::Frame, job::Ended};

/// Size of the queued frames at which any decoder waits for its turn, in bytes.
const MOST: usize = 64 << 20;

/// Holds an item of the queue.
#[derive(Debug)]
pub(crate) enum Given {
    /// A frame, and whether the decoder has complained since the frame before it.
    Frame(Box<Frame>, bool),
    /// The end of the decoder.
    Ended(Result<Ended>),
}

/// Queues the frames of one decoder.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Size of the queued frames at which the decoder waits for its turn, in bytes.
    most: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    given: VecDeque<Given>,
    bytes: usize,
    /// Whether the frames are no longer wanted.
    abandoned: bool,
}

impl Queue {
    /// Creates a queue that holds `share` bytes of frames at most, and one frame.
    pub(crate) fn new(share: usize) -> Self {
        let (waiting, changed) = <(Mutex<Waiting>, Condvar)>::default();
        Self { most: share.min(MOST), waiting, changed }
    }

    /// Adds a frame when there is room; returns `false` if frames are no longer wanted.
    pub(crate) fn push(&self, frame: Frame, complains: bool) -> bool {
        let is_full = |waiting: &mut Waiting| !waiting.abandoned && waiting.bytes >= self.most;
        let waited = self.changed.wait_while(self.lock(), is_full);
        let mut waiting = waited.unwrap_or_else(PoisonError::into_inner);
        if waiting.abandoned {
            return false;
        }
        waiting.bytes += frame.bytes();
        waiting.given.push_back(Given::Frame(Box::new(frame), complains));
        self.changed.notify_all();
        true
    }

    /// Adds the end of the decoder.
    pub(crate) fn end(&self, ended: Result<Ended>) {
        self.lock().given.push_back(Given::Ended(ended));
        self.changed.notify_all();
    }

    /// Waits for the next item.
    pub(crate) fn next(&self) -> Given {
        let mut waiting = self.lock();
        loop {
            if let Some(given) = waiting.given.pop_front() {
                if let Given::Frame(frame, _) = &given {
                    waiting.bytes -= frame.bytes();
                    self.changed.notify_all();
                }
                return given;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Drops the queued frames, and refuses further ones.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.lock();
        waiting.abandoned = true;
        waiting.given.clear();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}
