//! Follows a run: takes the frames of its decoders, cuts them, and writes the pieces.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
        mpsc::Receiver,
    },
};

use anyhow::Result;

use super::{
    entry::{Place, Resume, Source},
    writer::{Bounds, Writer},
};
use crate::{
    decode::{decoder, nut::Packet},
    sound::{
        line::span,
        pieces::{Piece, Pieces},
        stretch::Format,
    },
};

/// Most by which rounding moves a time stamp, in ticks.
const ROUNDING: i64 = 2;

/// Time between the beginning of a decoder and the first piece that begins with it, in seconds:
/// the samples before a piece are its history.
const MARGIN: f64 = 0.05;

const HUNG: &str = "the decoder hung and was stopped (--decoder-timeout)";

/// What the feeder says, in the order of the stream.
#[derive(Debug)]
pub(crate) enum Message {
    /// The bytes of a segment follow. `is_done`: its pieces were written by an earlier run.
    Segment { source: Source, is_done: bool },
    /// PTS of the first PES packet in it.
    First(i64),
    /// The segment was fed to its end; it has this size.
    Fed(u64),
    /// Another decoder was started.
    Decoder(Box<Decoding>),
    /// No sound comes for a while.
    Stopped,
    /// The run is over. `is_open`: because the input has ended, and the sound may continue.
    Ended { is_open: bool },
}

/// A decoder that was started.
#[derive(Debug)]
pub(crate) struct Decoding {
    pub output: decoder::Output,
    pub at: Place,
    /// Ticks that were taken off the time stamps for it.
    pub base: i64,
    /// The sound from this PTS on belongs to the next decoder.
    pub until: Arc<AtomicI64>,
}

/// What comes after the decoder that runs.
#[derive(Debug)]
enum Next {
    Decoder(Box<Decoding>),
    Stop,
}

/// A segment of the run.
#[derive(Debug)]
struct Segment {
    source: Source,
    first: Option<i64>,
    /// Whether a decoder gave sound of it.
    is_heard: bool,
    is_fed: bool,
    is_done: bool,
}

/// State of a run.
#[derive(Debug)]
pub(crate) struct Follower {
    pub writer: Writer,
    messages: Receiver<Message>,
    pieces: Pieces,
    /// How a restart comes to the piece that is next.
    begin: Option<Resume>,
    segments: VecDeque<Segment>,
    /// Beginnings of decoders, each with the number of samples before it.
    decoders: VecDeque<(u64, Place)>,
    waiting: VecDeque<Next>,
    ended: Option<bool>,
    /// Last words of a decoder that gave nothing.
    words: Option<String>,
    /// The run is to be forgotten.
    abandoned: Arc<AtomicBool>,
}

impl Follower {
    /// Follows a run whose next piece begins at `begin`, or with its first sample.
    pub(crate) fn new(
        writer: Writer,
        pieces: Pieces,
        begin: Option<Resume>,
        messages: Receiver<Message>,
        abandoned: Arc<AtomicBool>,
    ) -> Self {
        Self {
            writer,
            messages,
            pieces,
            begin,
            segments: VecDeque::new(),
            decoders: VecDeque::new(),
            waiting: VecDeque::new(),
            ended: None,
            words: None,
            abandoned,
        }
    }

    /// Follows the run to its end, and returns the writer.
    pub(crate) fn run(mut self) -> (Writer, Result<()>) {
        let followed = self.follow();
        (self.writer, followed)
    }

    fn follow(&mut self) -> Result<()> {
        while let Ok(message) = self.messages.recv() {
            self.take(message);
            while let Some(next) = self.waiting.pop_front() {
                match next {
                    Next::Decoder(decoding) => self.decode(*decoding)?,
                    Next::Stop => self.stop()?,
                }
                if self.abandoned.load(Ordering::SeqCst) {
                    return Ok(());
                }
            }
        }
        let Some(is_open) = self.ended else { return Ok(()) };
        let mut pieces = Vec::new();
        self.pieces.finish(&mut pieces);
        self.write(pieces, is_open)?;
        while let Some(segment) = self.segments.pop_front() {
            self.done(segment)?;
        }
        Ok(())
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Segment { source, is_done } => {
                let segment =
                    Segment { source, first: None, is_heard: false, is_fed: false, is_done };
                self.segments.push_back(segment);
            }
            Message::First(pts) => {
                if let Some(last) = self.segments.back_mut() {
                    last.first.get_or_insert(pts);
                }
            }
            Message::Fed(bytes) => {
                if let Some(last) = self.segments.back_mut() {
                    (last.is_fed, last.source.bytes) = (true, bytes);
                }
            }
            Message::Decoder(decoding) => self.waiting.push_back(Next::Decoder(decoding)),
            Message::Stopped => self.waiting.push_back(Next::Stop),
            Message::Ended { is_open } => self.ended = Some(is_open),
        }
    }

    /// Ends the piece under way, whose decoder has ended.
    fn stop(&mut self) -> Result<()> {
        let mut pieces = Vec::new();
        self.pieces.stop(&mut pieces);
        self.write(pieces, false)
    }

    /// Takes the frames of a decoder until it ends.
    fn decode(&mut self, mut decoding: Decoding) -> Result<()> {
        self.decoders.push_back((self.pieces.count(), decoding.at.clone()));
        let mut has_frames = false;
        loop {
            let packet = match decoding.output.packets.next() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                // Dropping the decoder stops it; the feeder begins another one.
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    if let Some(last) = self.segments.back_mut() {
                        last.is_heard = true;
                    }
                    return self.fail("decoder_hung", HUNG);
                }
                Err(error) => return self.failed(has_frames, error.to_string()),
            };
            has_frames = true;
            while let Ok(message) = self.messages.try_recv() {
                self.take(message);
            }
            if self.abandoned.load(Ordering::SeqCst) {
                return Ok(());
            }
            self.frame(&decoding, packet)?;
        }
        let (at, until) = (decoding.at, decoding.until);
        match decoding.output.finish() {
            Err(error) if until.load(Ordering::SeqCst) > at.pts => {
                self.failed(has_frames, error.to_string())
            }
            _ => Ok(()),
        }
    }

    /// Notes that a decoder has failed.
    fn failed(&mut self, has_frames: bool, words: String) -> Result<()> {
        if has_frames {
            return self.fail("decoder_failed", &words);
        }
        // It may be that nothing of the segment can be decoded.
        self.words.get_or_insert(words);
        Ok(())
    }

    /// Emits an error about the segment that was fed last.
    fn fail(&mut self, code: &str, message: &str) -> Result<()> {
        let path = self.segments.back().map(|segment| segment.source.path.clone());
        let path = path.unwrap_or_default();
        self.writer.fail(code, &format!("{path}: {message}"), Some(&path))
    }

    /// Takes a frame, as far as it belongs to this decoder.
    fn frame(&mut self, decoding: &Decoding, packet: Packet) -> Result<()> {
        let Packet { pts, base: (per, of), rate, channels, samples } = packet;
        let ticks = i128::from(pts) * i128::from(per) * 90_000;
        let of = i128::from(of);
        let ticks = decoding.base + (ticks + of / 2).div_euclid(of) as i64;
        let count = samples.len() as u64 / u64::from(channels);
        if let Some(at) = self.segment_at(ticks) {
            self.segments[at].is_heard = true;
        }
        if ticks >= decoding.until.load(Ordering::SeqCst) - ROUNDING {
            return Ok(());
        }
        let missing = decoding.at.from.map_or(0, |from| from - ticks);
        let mut samples = &samples[..];
        let mut at = ticks;
        if missing > ROUNDING {
            let before = (missing as u64 * u64::from(rate)).div_ceil(90_000);
            if before >= count {
                return Ok(());
            }
            samples = &samples[before as usize * usize::from(channels)..];
            at += span(before, rate);
        }
        let mut pieces = Vec::new();
        self.pieces.push(at, Format { rate, channels }, samples, &mut pieces);
        self.write(pieces, false)
    }

    fn write(&mut self, pieces: Vec<Piece>, is_open: bool) -> Result<()> {
        for piece in pieces {
            let next = piece.next.map(|(count, _)| self.resume(count));
            let begin = self.begin.take().or_else(|| {
                let (_, at) = self.decoders.front()?;
                Some(Resume { at: at.clone(), skip: 0 })
            });
            let (Some(begin), Some(at)) = (begin, self.segment_at(piece.ticks)) else { continue };
            let source = &self.segments[at].source;
            let bounds = Bounds { source, begin, next: next.clone(), is_open };
            self.writer.write(&piece, bounds)?;
            self.begin = next;
            let Some((count, ticks)) = piece.next else { continue };
            self.forget(count, ticks)?;
        }
        Ok(())
    }

    /// Returns the index of the segment that holds a PTS.
    fn segment_at(&self, ticks: i64) -> Option<usize> {
        let begins = |segment: &Segment| segment.first.is_some_and(|it| it <= ticks + ROUNDING);
        let last = self.segments.iter().rposition(begins);
        last.or((!self.segments.is_empty()).then_some(0))
    }

    /// Returns how a restart comes to the sample after `count` others.
    fn resume(&self, count: u64) -> Resume {
        let margin = |before: u64| (count - before) as f64 >= MARGIN * 48_000.0;
        let decoder = self.decoders.iter().rfind(|(before, _)| *before <= count && margin(*before));
        let (before, at) = decoder.or(self.decoders.front()).cloned().unwrap_or_else(|| {
            let at = Place { key: String::new(), byte: 0, pts: 0, from: None };
            (count, at)
        });
        Resume { at, skip: count - before }
    }

    /// Forgets what the pieces from sample `count` at `ticks` on do not need: segments before that
    /// are done.
    fn forget(&mut self, count: u64, ticks: i64) -> Result<()> {
        let before = |place: &(u64, Place)| (place.0 as f64) + MARGIN * 48_000.0 <= count as f64;
        while self.decoders.get(1).is_some_and(before) {
            self.decoders.pop_front();
        }
        let at = self.segment_at(ticks).unwrap_or(0);
        for _ in 0..at {
            if self.segments.front().is_some_and(|segment| segment.is_fed)
                && let Some(segment) = self.segments.pop_front()
            {
                self.done(segment)?;
            }
        }
        Ok(())
    }

    fn done(&mut self, segment: Segment) -> Result<()> {
        if segment.is_done || !segment.is_fed {
            return Ok(());
        }
        let path = &segment.source.path;
        let is_lost = segment.first.is_some() && !segment.is_heard;
        if is_lost || self.words.is_some() {
            // An ffmpeg that is too old is the cause.
            self.writer.ffmpeg.check()?;
        }
        match self.words.take() {
            words if is_lost => {
                let words = words.map(|words| format!("; ffmpeg said: {words}"));
                let words = words.unwrap_or_default();
                let message = format!("{path}: no sound could be decoded{words}");
                self.writer.fail("undecodable", &message, Some(path))?;
            }
            Some(words) => {
                self.writer.fail("decoder_failed", &format!("{path}: {words}"), Some(path))?;
            }
            None => {}
        }
        self.writer.done(segment.source)
    }
}
