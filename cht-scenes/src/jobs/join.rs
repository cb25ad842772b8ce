//! Chunks put together again, as one decoder would have given them.
//!
//! At each join it is looked at whether two decoders give the same. Where they do not, or where the second one complains at its
//! beginning, it needed to know more than a keyframe tells: then another one decodes both chunks.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender},
    },
};

use anyhow::{Result, bail};
use cht_core::{ffmpeg::FfmpegError, time::difference33};
use cht_scenes::measure::Plane;

use super::{
    Job, Recipe, Stopped,
    divide::{Chunk, Join},
    feed,
    queue::{Given, Queue},
};
use crate::{
    frame::{Frame, Reader},
    pass::Ended,
    picker::{End, Message},
};

/// So many frames behind a join tell whether a decoder lacks what came before: no codec refers to more.
const LOOKED_AT: usize = 32;

/// The score of a frame depends on two before it.
const SCORED_BY: usize = 2;

/// A join of fewer frames than this proves nothing.
const FEWEST: usize = 3;

/// A stream that cannot be divided so often is not divided any more.
const SPARED: usize = 2;

/// How all of it ended.
#[derive(Debug)]
pub(super) struct Whole {
    /// The last complaints.
    pub last_words: String,
    pub finished: Result<(), FfmpegError>,
}

/// Puts chunks together.
pub(super) struct Joiner {
    recipe: Arc<Recipe>,
    messages: SyncSender<Message>,
    stopped: Arc<Stopped>,
    /// The end of the last chunk, as far as it was given.
    end: Edge,
    /// Somebody takes the frames.
    wanted: bool,
    /// PTS of the last frame.
    last: Option<u64>,
    /// How often a chunk had to be decoded again.
    again: usize,
    last_words: String,
}

/// The frames of one decoder about a join, in order.
#[derive(Debug)]
struct Edge {
    join: Option<Join>,
    place: Place,
    seen: Vec<Seen>,
}

/// Where the next frame lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Within,
    Behind,
}

/// What two decoders have to agree on.
#[derive(Debug, PartialEq)]
struct Seen {
    pts: u64,
    score: f64,
    small: Option<Plane>,
}

impl Edge {
    fn new(join: Option<Join>) -> Self {
        Self { join, place: Place::Before, seen: Vec::new() }
    }

    /// Where a frame lies, which is remembered within the join.
    fn take(&mut self, frame: &Frame) -> Place {
        let (Some(join), Some(pts)) = (self.join, frame.decoded.pts) else { return self.place };
        let pts = pts as u64;
        if self.place == Place::Before && difference33(join.from as i64, pts) == 0 {
            self.place = Place::Within;
        }
        if self.place == Place::Within {
            if difference33(join.to as i64, pts) > 0 {
                self.place = Place::Behind;
            } else {
                let (score, small) = (frame.decoded.score, frame.small.clone());
                self.seen.push(Seen { pts: pts & ((1 << 33) - 1), score, small });
            }
        }
        self.place
    }

    /// Whether another decoder has given the same frames.
    fn agrees(&self, other: &Self) -> bool {
        let scores = |edge: &Self| {
            edge.seen.iter().skip(SCORED_BY).map(|seen| seen.score).collect::<Vec<_>>()
        };
        let pictures = self.seen.iter().zip(&other.seen);
        self.seen.len() == other.seen.len()
            && self.seen.len() >= FEWEST
            && pictures.into_iter().all(|(a, b)| a.pts == b.pts && a.small == b.small)
            && scores(self) == scores(other)
    }
}

impl Joiner {
    pub(super) fn new(
        recipe: Arc<Recipe>,
        messages: SyncSender<Message>,
        stopped: Arc<Stopped>,
    ) -> Self {
        let (end, last_words) = (Edge::new(None), "it said nothing".to_owned());
        Self { recipe, messages, stopped, end, wanted: true, last: None, again: 0, last_words }
    }

    /// Takes chunks in order to their end, or to the first that fails.
    pub(super) fn run(mut self, mut chunks: Receiver<Job>) -> Whole {
        let mut before = None;
        let mut finished = Ok(());
        while let Ok(Job { chunk, queue }) = chunks.recv() {
            let ended = self.chunk(before.as_deref(), &chunk, &queue, &mut chunks);
            let end = match ended {
                Ok(Ended { end, last_words, finished: result, troubled }) => {
                    if troubled {
                        self.last_words = last_words;
                    }
                    finished = result;
                    end
                }
                Err(error) => {
                    self.last_words = format!("{error:#}");
                    End::Died
                }
            };
            if end != End::Complete {
                let _ = self.messages.send(Message::Over(end));
                break;
            }
            before = Some(chunk);
        }
        self.stopped.all.store(true, Ordering::SeqCst);
        for job in chunks {
            job.queue.abandon();
        }
        Whole { last_words: self.last_words, finished }
    }

    /// Takes what the decoder of a chunk gives.
    fn chunk(
        &mut self,
        before: Option<&Chunk>,
        chunk: &Chunk,
        queue: &Queue,
        chunks: &mut Receiver<Job>,
    ) -> Result<Ended> {
        let mut begins = Edge::new(chunk.begins);
        let (mut behind, mut is_troubled, mut ended) = (Vec::new(), false, None);
        while ended.is_none() && behind.len() < LOOKED_AT {
            match queue.next() {
                Given::Frame(frame, troubled) => {
                    is_troubled |= troubled;
                    if chunk.begins.is_none() || begins.take(&frame) == Place::Behind {
                        behind.push(*frame);
                    }
                }
                Given::Ended(result) => ended = Some(result?),
            }
        }
        let is_sound = ended.as_ref().is_some_and(|ended| ended.end != End::Complete)
            || if chunk.begins.is_some() {
                let complains = ended.as_ref().is_some_and(|ended| ended.troubled);
                !is_troubled && !complains && self.end.agrees(&begins)
            } else {
                // Where nothing can be decoded, ffmpeg fails; it would have gone on with what follows.
                ended.as_ref().is_none_or(|ended| ended.finished.is_ok())
            };
        if !is_sound {
            queue.abandon();
            return self.decode_again(before, chunk, chunks);
        }
        self.end = Edge::new(chunk.ends);
        for frame in behind {
            self.give(frame);
        }
        let ended = match ended {
            Some(ended) => ended,
            None => loop {
                match queue.next() {
                    Given::Frame(frame, _) => self.give(*frame),
                    Given::Ended(ended) => break ended?,
                }
                if !self.wanted {
                    queue.abandon();
                    bail!("nobody takes the frames");
                }
            },
        };
        Ok(ended)
    }

    /// Decodes a chunk as what follows the one `before`; and all that come behind it where that had to be done too often.
    fn decode_again(
        &mut self,
        before: Option<&Chunk>,
        chunk: &Chunk,
        chunks: &mut Receiver<Job>,
    ) -> Result<Ended> {
        self.again += 1;
        let goes_on = self.again > SPARED || before.is_none();
        self.end = Edge::new(chunk.ends.filter(|_| !goes_on));
        if goes_on {
            self.stopped.decoders.store(true, Ordering::SeqCst);
        }
        let recipe = Arc::clone(&self.recipe);
        let pass = recipe.pass(before.is_none_or(|before| before.begins.is_none()));
        let bytes = before.into_iter().chain([chunk]).flat_map(|chunk| &chunk.bytes);
        let beyond = chunk.beyond.iter().filter(|_| !goes_on);
        let (last, mut is_new) = (self.last, self.last.is_none());
        pass.follow(
            Reader::default(),
            move |decoder| {
                let mut at = None;
                feed(decoder, &mut at, bytes.chain(beyond))?;
                let mut at = at.map(Path::to_owned);
                for Job { chunk, queue } in chunks.iter().filter(|_| goes_on) {
                    queue.abandon();
                    let mut from = at.as_deref();
                    feed(decoder, &mut from, &chunk.bytes)?;
                    at = from.map(Path::to_owned);
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
                self.wanted
            },
        )
    }

    /// Gives a frame, unless it is for the next chunk to give.
    fn give(&mut self, frame: Frame) {
        if self.end.take(&frame) == Place::Behind {
            return;
        }
        self.last = frame.decoded.pts.map(|pts| pts as u64).or(self.last);
        self.wanted &= self.messages.send(Message::Whole(Box::new(frame))).is_ok();
    }
}
