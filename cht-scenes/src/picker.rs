//! What comes out of the decoder: frames are placed on the timeline, decided on, written and announced.

use std::{
    collections::VecDeque,
    io::Read,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::{
    clock,
    event::{Anchor, Event, Frame, Scores, SegmentDone},
    ndjson::Writer,
    report,
    time::seconds,
};

use crate::{
    detector::{Kept, Rules, State},
    lines::Decoded,
    picture,
    prefilter::tick_of,
    store::{Checkpoint, Store},
};

/// Standard output, shared by the thread that passes events on and the one that emits.
pub(crate) type Output = Arc<Mutex<Writer<std::fs::File>>>;

/// A decoder that has input and neither takes it nor says anything for so long is stopped.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// What the picker is told, in order.
#[derive(Debug)]
pub(crate) enum Message {
    /// The bytes of a segment follow.
    Segment(Part),
    /// A segment was fed to its end.
    Fed(Fed),
    /// A frame was decoded.
    Frame(Decoded),
    /// No more input for this decoder.
    Ended,
}

/// What went in of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fed {
    /// Its size.
    pub bytes: u64,
    /// It lies within one picture: none begins in it.
    pub within: bool,
}

/// A segment of a run, or the run-up to it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub seq: u64,
    /// Its final path.
    pub path: String,
    /// Its place: frames from its PTS on belong to it.
    pub anchor: Anchor,
    /// Decoded for its effect on the next segment only.
    pub warm_up: bool,
}

/// A segment on its way through.
#[derive(Debug)]
struct Segment {
    part: Part,
    /// Once it was fed to its end.
    fed: Option<Fed>,
    frames: u64,
    decoded: u64,
}

/// Picks frames; lives as long as its folder, over any number of decoders.
#[derive(Debug)]
pub(crate) struct Picker {
    pub store: Store,
    pub state: State,
    pub output: Output,
    pub session: Option<String>,
    pub rules: Rules,
    pub quality: u8,
    /// Segments that gave no frame at all, to be spoken of when the decoder has said its last words.
    pub undecoded: Vec<String>,
}

/// One decoder's output.
pub(crate) struct Run<'a> {
    pub messages: &'a Receiver<Message>,
    pub pictures: &'a mut dyn Read,
    pub pid: u16,
    /// Bytes fed so far, to tell a decoder that hangs from one that has nothing to do.
    pub fed: &'a AtomicU64,
}

/// How a decoder's output ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Complete,
    /// It did nothing until the deadline.
    Hung,
}

impl Picker {
    /// Follows a decoder to its end. Segments that were fed to their end are then done.
    pub(crate) fn follow(&mut self, run: &mut Run<'_>) -> Result<End> {
        let mut segments: VecDeque<Segment> = VecDeque::new();
        let mut reference = None;
        let mut buffer = Vec::new();
        let (mut ended, mut fed_before) = (false, 0);
        let end = loop {
            let message = match clock::receive_within(run.messages, DEADLINE) {
                Ok(message) => message,
                Err(RecvTimeoutError::Disconnected) => break End::Complete,
                Err(RecvTimeoutError::Timeout) => {
                    let fed = run.fed.load(Ordering::Relaxed);
                    // Odd: a write is under way (see `feed`).
                    if ended || (fed % 2 == 1 && fed == fed_before) {
                        break End::Hung;
                    }
                    fed_before = fed;
                    continue;
                }
            };
            match message {
                Message::Segment(part) => {
                    segments.push_back(Segment { part, fed: None, frames: 0, decoded: 0 });
                }
                Message::Fed(fed) => {
                    if let Some(segment) = segments.back_mut() {
                        segment.fed = Some(fed);
                    }
                }
                Message::Ended => ended = true,
                Message::Frame(frame) => {
                    let rgb = match frame.picture {
                        Some((width, height)) => {
                            buffer.resize(width as usize * height as usize * 3, 0);
                            run.pictures
                                .read_exact(&mut buffer)
                                .context("a picture from ffmpeg")?;
                            Some((buffer.as_slice(), width, height))
                        }
                        None => None,
                    };
                    self.frame(&mut segments, &mut reference, run.pid, frame, rgb)?;
                }
            }
        };
        for segment in segments {
            self.finish(segment, run.pid)?;
        }
        Ok(end)
    }

    fn frame(
        &mut self,
        segments: &mut VecDeque<Segment>,
        reference: &mut Option<i64>,
        pid: u16,
        frame: Decoded,
        rgb: Option<(&[u8], u32, u32)>,
    ) -> Result<()> {
        let Some(pts) = frame.pts else {
            report::warn(format_args!("PID {pid:#x}: a frame without PTS was left out"));
            return Ok(());
        };
        let Some(first) = segments.front() else { return Ok(()) };
        let anchor = first.part.anchor;
        let at = tick_of(anchor, reference.unwrap_or(anchor.offset), pts);
        *reference = Some(at);
        while segments.get(1).is_some_and(|next| at >= next.part.anchor.offset) {
            if let Some(done) = segments.pop_front() {
                self.finish(done, pid)?;
            }
        }
        let Some(segment) = segments.front_mut() else { return Ok(()) };
        if segment.part.warm_up {
            return Ok(());
        }
        segment.decoded += 1;
        if frame.restarted && self.state.last_kept.is_some() && segment.decoded > 1 {
            // A new size or format: another picture for sure, and no score can tell.
            self.state.waiting = Some(1.0);
        }
        // Without a picture there is nothing to keep; the rule is still due at the next one.
        let mut state = self.state;
        let kept = state.decide(&self.rules, at, frame.score);
        match (kept, rgb) {
            (Some(kept), Some(rgb)) => {
                segment.frames += 1;
                let part = segment.part.clone();
                self.state = state;
                self.keep(&part, at, kept, rgb)
            }
            (Some(_), None) => {
                if frame.score > self.rules.threshold {
                    self.state.waiting =
                        Some(self.state.waiting.map_or(frame.score, |w| w.max(frame.score)));
                }
                Ok(())
            }
            (None, _) => {
                self.state = state;
                Ok(())
            }
        }
    }

    fn keep(&mut self, part: &Part, at: i64, kept: Kept, rgb: (&[u8], u32, u32)) -> Result<()> {
        let (pixels, width, height) = rgb;
        let jpeg = picture::jpeg(pixels, width, height, self.quality)?;
        let (id, path) = self.store.next_picture()?;
        let frame = Frame {
            id,
            timestamp: seconds(at),
            pts: part.anchor.pts + (at - part.anchor.offset),
            path: path.to_string_lossy().into_owned(),
            segment: part.path.clone(),
            reason: kept.reason,
            scores: Scores { scene: kept.score },
            width,
            height,
            bytes: jpeg.len() as u64,
            hash: blake3::hash(&jpeg).to_hex().to_string(),
        };
        let event = self.store.keep(&jpeg, self.session.as_deref(), frame)?;
        self.emit(&event)
    }

    /// Announces that a segment is done, if it was fed to its end.
    fn finish(&mut self, segment: Segment, pid: u16) -> Result<()> {
        let Segment { part, fed, frames, decoded } = segment;
        let (Some(Fed { bytes, within }), false) = (fed, part.warm_up) else { return Ok(()) };
        if decoded == 0 && !within {
            self.undecoded.push(part.path.clone());
        }
        let anchor = Some(part.anchor);
        self.done(part.seq, &part.path, bytes, frames, decoded, anchor, Some(pid))
    }

    /// Writes down and announces that a segment is done.
    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of a checkpoint, filled in two places"
    )]
    pub(crate) fn done(
        &mut self,
        seq: u64,
        path: &str,
        bytes: u64,
        frames: u64,
        decoded: u64,
        anchor: Option<Anchor>,
        pid: Option<u16>,
    ) -> Result<()> {
        let done = SegmentDone {
            stage: report::stage().to_owned(),
            seq,
            path: path.to_owned(),
            events: frames,
            decoded: Some(decoded),
        };
        self.store.checkpoint(Checkpoint {
            path: path.to_owned(),
            bytes,
            done: done.clone(),
            anchor,
            pid,
            state: self.state,
            next_id: self.store.next_id,
        })?;
        self.emit(&Event::new(self.session.clone(), done))
    }

    pub(crate) fn emit(&self, event: &Event) -> Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.emit(event).context("stdout")
    }

    pub(crate) fn fail(&self, code: &str, message: &str, path: Option<&str>) -> Result<()> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.fail(self.session.as_deref(), code, message, path).context("stdout")
    }
}
