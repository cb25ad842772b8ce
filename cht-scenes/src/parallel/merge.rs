//! Chunks put together again, as one decoder would have given them.
//!
//! At each join it is looked at whether two decoders give the same. Where they do not, or where the second one complains at its
//! beginning, it needed to know more than a keyframe tells: then another one decodes both chunks.

use std::sync::{
    Arc,
    atomic::Ordering,
    mpsc::{Receiver, SyncSender},
};

use anyhow::{Result, bail};
use cht_ts::time::difference33;

use super::{
    job::{Job, Stopped, feed},
    queue::{Given, Queue},
    split::{Chunk, Join},
};
use crate::decode::{
    frame::{Frame, Reader},
    job::{DecodeJob, Ended},
    message::{End, Message, Sent},
};

/// So many frames behind a join tell whether a decoder lacks what came before: H.264 and HEVC refer to sixteen at most.
const LOOKED_AT: usize = 32;

/// The score of a frame depends on two before it.
const SCORED_BY: usize = 2;

/// A join of fewer frames than this proves nothing.
const FEWEST: usize = 3;

/// A stream that cannot be divided so often in a row is not divided any more.
const SPARED: usize = 2;

/// How all of it ended.
#[derive(Debug)]
pub(crate) struct Whole {
    /// The last complaints.
    pub last_words: String,
    pub finished: Result<()>,
}

/// Puts chunks together.
pub(crate) struct Joiner {
    stream: Arc<DecodeJob<'static>>,
    messages: SyncSender<Sent>,
    stopped: Arc<Stopped>,
    /// The last chunks: one whose beginning was as it should be, and those behind it.
    lead: Vec<Arc<Chunk>>,
    /// The end of the last one, as far as it was given.
    end: Edge,
    /// PTS of the last frame that was given.
    last: Option<u64>,
    last_words: String,
}

/// What a decoder gives at its beginning.
#[derive(Debug)]
struct Opening {
    begins: Edge,
    /// Frames behind the join.
    behind: Vec<Frame>,
    /// The decoder has complained since the first frame of the join.
    complains: bool,
    ended: Option<Ended>,
}

/// The frames of one decoder about a join, in order.
#[derive(Debug)]
struct Edge {
    join: Option<Join>,
    place: Place,
    /// Those within.
    frames: Vec<Frame>,
}

/// Where the next frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Within,
    Behind,
}

impl Edge {
    fn new(join: Option<Join>) -> Self {
        Self { join, place: Place::Before, frames: Vec::new() }
    }

    /// Where a frame lies.
    fn place(&mut self, frame: &Frame) -> Place {
        let (Some(join), Some(pts)) = (self.join, frame.decoded.pts) else { return self.place };
        let is_behind = |tick: u64| difference33(tick as i64, pts as u64);
        if self.place == Place::Before && is_behind(join.from) == 0 {
            self.place = Place::Within;
        }
        if self.place == Place::Within && is_behind(join.to) > 0 {
            self.place = Place::Behind;
        }
        self.place
    }

    /// Whether another decoder has given the same frames.
    fn agrees(&self, other: &Self) -> bool {
        let is_same = |(n, (a, b)): (usize, (&Frame, &Frame))| {
            let pts = a.decoded.pts.zip(b.decoded.pts);
            pts.is_some_and(|(a, b)| difference33(a, b as u64) == 0)
                && a.small == b.small
                && (n < SCORED_BY || a.decoded.score.to_bits() == b.decoded.score.to_bits())
        };
        self.frames.len() == other.frames.len()
            && self.frames.len() >= FEWEST
            && self.frames.iter().zip(&other.frames).enumerate().all(is_same)
    }
}

impl Joiner {
    pub(crate) fn new(
        stream: Arc<DecodeJob<'static>>,
        messages: SyncSender<Sent>,
        stopped: Arc<Stopped>,
    ) -> Self {
        Self {
            stream,
            messages,
            stopped,
            lead: Vec::new(),
            end: Edge::new(None),
            last: None,
            last_words: "it said nothing".to_owned(),
        }
    }

    /// Takes chunks in order to their end, or to the first that fails.
    pub(super) fn run(mut self, mut chunks: Receiver<Job>) -> Whole {
        let (mut taken, mut bad, mut finished) = (0, 0, Ok(()));
        let mut end = End::Complete;
        while end == End::Complete
            && let Ok(Job { chunk, queue }) = chunks.recv()
        {
            let ended = self.chunk(&chunk, &queue, &mut chunks);
            queue.abandon();
            self.lead.push(chunk);
            taken += 1;
            end = match &ended {
                Ok(ended) if ended.end != End::Complete || !ended.has_failed() => ended.end,
                _ => End::Died,
            };
            let result = ended.and_then(|ended| {
                if ended.complains {
                    self.last_words = ended.last_words;
                }
                Ok(ended.finished?)
            });
            if result.is_err() {
                (bad, finished) = (bad + 1, result);
            }
        }
        if end != End::Complete {
            self.give_join();
            let _ = self.messages.send(Sent::Over(end));
        } else if 3 * bad <= 2 * taken {
            // One decoder would have had more good frames than ffmpeg asks for.
            finished = Ok(());
        }
        self.stopped.all();
        for job in chunks {
            job.queue.abandon();
        }
        Whole { last_words: self.last_words, finished }
    }

    /// Takes what the decoder of a chunk gives, or what another one does if that is not what it should be.
    fn chunk(&mut self, chunk: &Chunk, queue: &Queue, chunks: &mut Receiver<Job>) -> Result<Ended> {
        let Opening { begins, behind, complains, ended } = Opening::of(chunk, queue)?;
        let is_sound = match &ended {
            Some(ended) if ended.end != End::Complete => true,
            // It fails where nothing can be decoded; one that had more would have gone on.
            _ if chunk.begins.is_none() => !ended.as_ref().is_some_and(Ended::has_failed),
            _ => !complains && self.end.agrees(&begins),
        };
        if !is_sound {
            queue.abandon();
            return self.decode_again(chunk, chunks);
        }
        self.lead.clear();
        self.give_join();
        self.end = Edge::new(chunk.ends);
        for frame in behind {
            self.give(frame);
        }
        let Some(ended) = ended else { return self.rest(queue) };
        Ok(ended)
    }

    /// Takes all that a decoder gives.
    fn rest(&mut self, queue: &Queue) -> Result<Ended> {
        while !self.stopped.is_all() {
            match queue.next() {
                Given::Frame(frame, _) => self.give(*frame),
                Given::Ended(ended) => return ended,
            }
        }
        bail!("nobody takes the frames")
    }

    /// Decodes a chunk as what follows those before, from the last one on whose beginning was as it should be. Where that had to be
    /// done too often, it is done with all that follow as well.
    fn decode_again(&mut self, chunk: &Chunk, chunks: &mut Receiver<Job>) -> Result<Ended> {
        let goes_on = self.lead.is_empty() || self.lead.len() > SPARED;
        if goes_on {
            self.stopped.decoders.store(true, Ordering::SeqCst);
        }
        self.end = Edge::new(chunk.ends.filter(|_| !goes_on));
        let lead = self.lead.clone();
        let bytes = lead.iter().flat_map(|chunk| &chunk.bytes).chain(&chunk.bytes);
        let beyond = chunk.beyond.iter().filter(|_| !goes_on);
        let (last, mut is_new) = (self.last, self.last.is_none());
        lead.first().map_or(chunk, |first| first).pass(&self.stream).follow(
            Reader::default(),
            move |decoder| {
                let mut at = feed(decoder, None, bytes.chain(beyond))?;
                while goes_on && let Ok(Job { chunk, queue }) = chunks.recv() {
                    queue.abandon();
                    at = feed(decoder, at, &chunk.bytes)?;
                }
                Ok(())
            },
            |frame, _| {
                // What was given already comes first.
                let is_behind = |last: u64, pts: i64| difference33(last as i64, pts as u64) > 0;
                is_new |= last.zip(frame.decoded.pts).is_some_and(|(a, b)| is_behind(a, b));
                if is_new {
                    self.give(frame);
                }
                !self.stopped.is_all()
            },
        )
    }

    /// Gives a frame, unless it is for the next chunk to give; those of a join when it is known to be one.
    fn give(&mut self, frame: Frame) {
        match self.end.place(&frame) {
            Place::Before => self.send(frame),
            Place::Within => self.end.frames.push(frame),
            Place::Behind => {}
        }
    }

    /// Gives the frames of the join.
    fn give_join(&mut self) {
        for frame in std::mem::take(&mut self.end.frames) {
            self.send(frame);
        }
    }

    fn send(&mut self, frame: Frame) {
        self.last = frame.decoded.pts.map(|pts| pts as u64).or(self.last);
        if self.messages.send(Message::Frame(Box::new(frame)).into()).is_err() {
            self.stopped.all();
        }
    }
}

impl Opening {
    /// Waits for it.
    fn of(chunk: &Chunk, queue: &Queue) -> Result<Self> {
        let begins = Edge::new(chunk.begins);
        let mut opening = Self { begins, behind: Vec::new(), complains: false, ended: None };
        while opening.ended.is_none() && opening.behind.len() < LOOKED_AT {
            match queue.next() {
                Given::Frame(frame, complains) => {
                    // Frames that are shown before the keyframe cannot be decoded, and need not be.
                    opening.complains |= complains && opening.begins.place != Place::Before;
                    match opening.begins.place(&frame) {
                        Place::Before if chunk.begins.is_some() => {}
                        Place::Within => opening.begins.frames.push(*frame),
                        Place::Before | Place::Behind => opening.behind.push(*frame),
                    }
                }
                Given::Ended(ended) => opening.ended = Some(ended?),
            }
        }
        Ok(opening)
    }
}
