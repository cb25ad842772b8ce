//! Joins the frames of chunks, so that they are the frames of one decoder.
//!
//! At each join, the frames of two decoders are compared. Where they differ, or where the second
//! decoder complains at its beginning, the second chunk needs more of the stream than its keyframe:
//! then another decoder decodes both chunks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc::{Receiver, SyncSender},
};

use anyhow::{Result, bail};
use cht_ts::Pts;

use super::{
    job::{Job, StopFlags, feed},
    queue::{Given, Queue},
    split::{Chunk, Join},
};
use crate::decode::{
    frame::{Frame, Reader},
    job::{DecodeJob, Ended},
    message::{End, Message, Sent},
};

/// Number of frames after a join that show whether a decoder lacks earlier references: H.264 and
/// HEVC refer to sixteen frames at most.
const LOOKED_AT: usize = 32;

/// Number of earlier frames that the score of a frame depends on.
const SCORED_BY: usize = 2;

/// Least number of frames in a join that proves two decoders the same.
const FEWEST: usize = 3;

/// Number of failed joins in a row after which a stream is no longer divided.
const SPARED: usize = 2;

/// Tells how the decoding of all chunks ended.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Last complaints of the decoders.
    pub last_words: String,
    pub finished: Result<()>,
}

/// Joins the frames of chunks in order.
pub(crate) struct Joiner {
    stream: Arc<DecodeJob<'static>>,
    messages: SyncSender<Sent>,
    stopped: Arc<StopFlags>,
    /// Number of chunks whose frames were sent.
    joined: Arc<AtomicUsize>,
    /// Last chunks: one whose beginning was sound, and those after it.
    lead: Vec<Arc<Chunk>>,
    /// End of the last chunk, as far as its frames were sent.
    end: Edge,
    /// PTS of the last frame sent.
    last: Option<Pts>,
    last_words: String,
}

/// Holds the first frames of a decoder.
#[derive(Debug)]
struct Opening {
    begins: Edge,
    /// Frames after the join.
    after: Vec<Frame>,
    /// Whether the decoder has complained since the first frame of the join.
    complains: bool,
    ended: Option<Ended>,
}

/// Collects the frames of one decoder within a join, in order.
#[derive(Debug)]
struct Edge {
    join: Option<Join>,
    position: Position,
    /// Frames within the join.
    frames: Vec<Frame>,
}

/// Tells where a frame lies relative to a join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Before,
    Within,
    After,
}

impl Edge {
    fn new(join: Option<Join>) -> Self {
        Self { join, position: Position::Before, frames: Vec::new() }
    }

    /// Returns where a frame lies relative to the join.
    fn position(&mut self, frame: &Frame) -> Position {
        let (Some(join), Some(pts)) = (self.join, frame.decoded.pts) else { return self.position };
        let distance = |of: Pts| pts.since(of);
        if self.position == Position::Before && distance(join.from) == 0 {
            self.position = Position::Within;
        }
        if self.position == Position::Within && distance(join.to) > 0 {
            self.position = Position::After;
        }
        self.position
    }

    /// Returns whether another decoder gave the same frames.
    fn agrees(&self, other: &Self) -> bool {
        let is_same = |(n, (a, b)): (usize, (&Frame, &Frame))| {
            let pts = a.decoded.pts.zip(b.decoded.pts);
            pts.is_some_and(|(a, b)| a == b)
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
        stopped: Arc<StopFlags>,
        joined: Arc<AtomicUsize>,
    ) -> Self {
        Self {
            stream,
            messages,
            stopped,
            joined,
            lead: Vec::new(),
            end: Edge::new(None),
            last: None,
            last_words: "it said nothing".to_owned(),
        }
    }

    /// Joins chunks in order, to the end of the channel or to the first chunk that fails.
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
            self.joined.fetch_add(1, Ordering::SeqCst);
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
            // A single decoder would have had more good frames than ffmpeg requires.
            finished = Ok(());
        }
        self.stopped.all();
        for job in chunks {
            job.queue.abandon();
        }
        Whole { last_words: self.last_words, finished }
    }

    /// Sends the frames of a chunk's decoder, or those of another decoder if its beginning is not
    /// sound.
    fn chunk(&mut self, chunk: &Chunk, queue: &Queue, chunks: &mut Receiver<Job>) -> Result<Ended> {
        let Opening { begins, after, complains, ended } = Opening::of(chunk, queue)?;
        let is_sound = match &ended {
            Some(ended) if ended.end != End::Complete => true,
            // A decoder fails if it can decode nothing; with more of the stream, it would have gone
            // on.
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
        for frame in after {
            self.give(frame);
        }
        let Some(ended) = ended else { return self.rest(queue) };
        Ok(ended)
    }

    /// Sends the remaining frames of a decoder.
    fn rest(&mut self, queue: &Queue) -> Result<Ended> {
        while !self.stopped.is_all() {
            match queue.next() {
                Given::Frame(frame, _) => self.give(*frame),
                Given::Ended(ended) => return ended,
            }
        }
        bail!("nobody takes the frames")
    }

    /// Decodes a chunk again, together with those before it, from the last chunk whose beginning
    /// was sound. After [`SPARED`] such attempts in a row, decodes all following chunks with the
    /// same decoder.
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
        lead.first().map_or(chunk, |first| first).decode_job(&self.stream).follow(
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
                // The first frames were sent already.
                is_new |=
                    last.zip(frame.decoded.pts).is_some_and(|(last, pts)| pts.since(last) > 0);
                if is_new {
                    self.give(frame);
                }
                !self.stopped.is_all()
            },
        )
    }

    /// Sends a frame before the join, and holds a frame within it until the join has proved sound.
    /// A frame after the join belongs to the next chunk.
    fn give(&mut self, frame: Frame) {
        match self.end.position(&frame) {
            Position::Before => self.send(frame),
            Position::Within => self.end.frames.push(frame),
            Position::After => {}
        }
    }

    /// Sends the frames of the join.
    fn give_join(&mut self) {
        for frame in std::mem::take(&mut self.end.frames) {
            self.send(frame);
        }
    }

    fn send(&mut self, frame: Frame) {
        self.last = frame.decoded.pts.or(self.last);
        if self.messages.send(Message::Frame(Box::new(frame)).into()).is_err() {
            self.stopped.all();
        }
    }
}

impl Opening {
    /// Waits for the first frames of a chunk's decoder.
    fn of(chunk: &Chunk, queue: &Queue) -> Result<Self> {
        let begins = Edge::new(chunk.begins);
        let mut opening = Self { begins, after: Vec::new(), complains: false, ended: None };
        while opening.ended.is_none() && opening.after.len() < LOOKED_AT {
            match queue.next() {
                Given::Frame(frame, complains) => {
                    // Frames displayed before the keyframe cannot be decoded, and need not be.
                    opening.complains |= complains && opening.begins.position != Position::Before;
                    match opening.begins.position(&frame) {
                        Position::Before if chunk.begins.is_some() => {}
                        Position::Within => opening.begins.frames.push(*frame),
                        Position::Before | Position::After => opening.after.push(*frame),
                    }
                }
                Given::Ended(ended) => opening.ended = Some(ended?),
            }
        }
        Ok(opening)
    }
}
