//! Selects frames: what comes out of a decoder is placed on the timeline, decided on, and written.

use std::{collections::HashSet, sync::Arc, time::Duration};

use anyhow::Result;
use cht_core::{process::report, stage::Interrupt};
use cht_detect::{Selection, Shown, measure::Plane};

use super::{
    detectors::{Candidate, Detectors},
    early::Lookahead,
    journal::{Checkpoint, Obstruction},
    score_log::ScoreLog,
    segment_queue::{QueuedSegment, SegmentQueue, Snapshot},
    writer::{FrameWriter, segment_done},
};
use crate::{
    cli::args::Args,
    decode::{
        ffmpeg_log::DecodedFrame,
        filter,
        frame::{Frame, Picture},
        frames::{Frames, Next},
        message::{End, Message, Writes},
        mode::Decode,
        pause::Pause,
    },
    input::Part,
    stats::counters::{Counters, Suppressions},
};

/// One decoder's output.
pub(crate) struct Run<'a> {
    pub frames: Frames,
    pub pid: u16,
    /// Time after which a decoder is stopped that neither takes its input nor says anything.
    pub timeout: Duration,
    pub writes: &'a Writes,
}

/// What a decoder that has ended leaves to its feeder.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    /// The segment that a decoder that failed is blamed for.
    pub blamed: Option<Part>,
    /// Segments for another decoder.
    pub left: Vec<Part>,
    /// Segments that gave no frame at all.
    pub undecoded: Vec<String>,
}

/// Selects the frames of one folder, over any number of decoders.
#[derive(Debug)]
pub(crate) struct FrameSelector {
    pub writer: FrameWriter,
    pub detectors: Detectors,
    /// How the run is decoded.
    pub decode: Decode,
    queue: SegmentQueue,
    /// Where measures are written, if they are asked for.
    scores: Option<ScoreLog>,
    counters: Arc<Counters>,
    /// Whether a run ends early.
    interrupt: Arc<Interrupt>,
    /// The run ends where a segment was done a moment ago.
    is_cut: bool,
    /// The detectors that are ahead while a live stream pauses.
    ahead: Option<Lookahead>,
    /// The run gave a frame.
    any: bool,
    /// Some segment of the run had frames to be decoded.
    expected: bool,
    /// The number of the first frame that was selected because nothing followed.
    provisional_from: Option<u64>,
    /// Segments that gave no frame at all, to be reported with the last words of the decoder.
    undecoded: Vec<String>,
}

impl FrameSelector {
    /// Goes on where the journal of `writer` ends.
    pub(crate) fn new(
        writer: FrameWriter,
        detectors: Detectors,
        args: &Args,
        scores: Option<ScoreLog>,
        counters: Arc<Counters>,
        interrupt: Arc<Interrupt>,
    ) -> Self {
        Self {
            writer,
            detectors,
            decode: args.decode,
            queue: SegmentQueue::default(),
            scores,
            counters,
            interrupt,
            is_cut: false,
            ahead: None,
            any: false,
            expected: false,
            provisional_from: None,
            undecoded: Vec::new(),
        }
    }

    /// Follows a decoder to its end. Segments that were fed to their end are then done.
    pub(crate) fn follow(&mut self, run: &mut Run<'_>) -> Result<End> {
        self.queue.begin_run();
        let (mut ended, mut write) = (false, None);
        loop {
            if self.is_cut {
                return Ok(End::Cut);
            }
            match run.frames.next(run.timeout)? {
                Next::Message(Message::Ended) => ended = true,
                Next::Message(Message::Pause(pause)) => self.look_ahead(pause)?,
                Next::Message(Message::Frame(frame)) => self.take(run.pid, *frame)?,
                Next::Message(message) => self.note(message),
                Next::End(end) => return Ok(end),
                Next::Timeout => {
                    let under_way = run.writes.under_way();
                    if ended || (under_way.is_some() && under_way == write) {
                        return Ok(End::Hung);
                    }
                    write = under_way;
                }
            }
        }
    }

    /// Takes note of what else was fed to a decoder that has failed.
    pub(crate) fn leave(&mut self, frames: Frames) {
        frames.into_remaining().for_each(|message| self.note(message));
    }

    /// Takes note of the input of the decoder.
    fn note(&mut self, message: Message) {
        match message {
            Message::Segment(part) => {
                if self.queue.first().is_none() {
                    self.interrupt.decoding(&part.path);
                }
                self.queue.push(part);
            }
            Message::Fed { bytes, has_frames } => {
                self.queue.fed(bytes, has_frames);
                self.expected |= has_frames;
            }
            Message::Frame(_) | Message::Pause(_) | Message::Complaint | Message::Ended => {}
        }
    }

    /// Takes a frame.
    fn take(&mut self, pid: u16, frame: Frame) -> Result<()> {
        self.any = true;
        let Frame { decoded, small, picture } = frame;
        let Some(pts) = decoded.pts else {
            report::warn(format_args!("PID {pid:#x}: a frame without PTS was left out"));
            self.counters.suppress(Suppressions::NoPts, 1);
            return Ok(());
        };
        let Some(at) = self.queue.place(pts) else { return Ok(()) };
        let Self { queue, detectors, writer, .. } = self;
        queue.end_before(at, || snapshot(detectors, writer));
        self.finish_settled()?;
        self.decide(at, &decoded, small, picture)
    }

    /// Finishes the segments in which nothing more will be selected.
    fn finish_settled(&mut self) -> Result<()> {
        loop {
            let decider = &self.detectors.decider;
            let settled = |followed, next| decider.is_decided_before(next, followed);
            let Some(settled) = self.queue.pop_settled(settled) else { return Ok(()) };
            self.finish(settled)?;
            self.is_cut = self.is_cut || self.interrupt.is_cut();
            if let Some(first) = self.queue.first() {
                self.interrupt.decoding(&first.part.path);
            }
        }
    }

    /// Gives a frame to the detectors, and keeps the frames that they select then.
    fn decide(
        &mut self,
        at: i64,
        frame: &DecodedFrame,
        small: Option<Plane>,
        picture: Option<Picture>,
    ) -> Result<()> {
        self.queue.count_frame();
        let Some(segment) = self.queue.current() else { return Ok(()) };
        if segment.part.is_preroll {
            self.detectors.decider.preroll(at, picture.map(Some));
            return Ok(());
        }
        segment.decoded += 1;
        let gap = self.decode == Decode::Keyframes;
        if !gap {
            self.detectors.decider.pass(at);
            self.keep_selected()?;
        }
        self.forget_ahead();
        let Self { detectors, queue, .. } = self;
        let Some(segment) = queue.current() else { return Ok(()) };
        let every = filter::every(self.decode, detectors.decider.still_every());
        let (measures, is_candidate) = detectors.frame(at, frame, small, picture, every, gap);
        self.counters.measured(at, &mut detectors.decider);
        if let Some(scores) = &mut self.scores {
            let session = self.writer.session.as_deref();
            scores.add(&segment.part, session, &measures, is_candidate)?;
        }
        self.keep_selected()
    }

    /// Announces a picture that has come to rest in a pause, if the frames before the pause were
    /// decided on.
    fn look_ahead(&mut self, pause: Pause) -> Result<()> {
        let Self { detectors, queue, writer, ahead, .. } = self;
        let last = queue.last_of(pause.pts);
        let last = last.filter(|&last| detectors.decider.last() == Some(last));
        let Some(last) = last.filter(|_| self.decode == Decode::Full) else { return Ok(()) };
        let ahead = ahead.get_or_insert_with(|| Lookahead::of(detectors));
        ahead.wait((last, pause), detectors, queue, writer)
    }

    /// Forgets what was announced in a pause: the detectors decide on it now.
    fn forget_ahead(&mut self) {
        self.ahead = None;
        self.writer.forget_announced();
    }

    /// Keeps the frames that are selected by now.
    fn keep_selected(&mut self) -> Result<()> {
        while let Some((selection, shown)) = self.detectors.decider.next_choice() {
            self.keep(&selection, shown)?;
        }
        Ok(())
    }

    /// Keeps the frame that shows a selection.
    fn keep(&mut self, selection: &Selection, shown: Shown<Candidate>) -> Result<()> {
        let (at, picture) = match shown {
            Shown::Picture(at, Some(picture)) => (at, picture),
            Shown::Picture(at, None) | Shown::Fetch(at) => {
                let fetched = self.writer.fetch(&self.queue, at);
                if fetched.is_none() && self.detectors.decider.take_back() {
                    return Ok(());
                }
                let is_missing = fetched.is_none();
                let found = fetched.or_else(|| self.nearest(at));
                if is_missing && let Some(part) = self.queue.parts_of(at).next() {
                    self.writer.miss(&part.path, at, found.as_ref().map(|(near, _)| *near))?;
                }
                let Some(found) = found else { return Ok(()) };
                found
            }
        };
        let Some(segment) = self.queue.holding(at) else { return Ok(()) };
        let found = self.detectors.keep(selection, at, &picture);
        let is_new = self.writer.keep(&segment.part, at, &found, &picture)?;
        // A preroll that is done again has counted what it kept before.
        segment.frames += u64::from(is_new || !segment.part.is_preroll);
        Ok(())
    }

    /// Returns the candidate that is nearest to `at`, which cannot be fetched.
    fn nearest(&mut self, at: i64) -> Option<(i64, Picture)> {
        while let Some((at, candidate)) = self.detectors.decider.nearest(at) {
            let found = candidate.map(|picture| (at, picture));
            if let Some(found) = found.or_else(|| self.writer.fetch(&self.queue, at)) {
                return Some(found);
            }
        }
        None
    }

    /// Whether some segment of the run had frames to be decoded.
    pub(crate) fn expects_frames(&self) -> bool {
        self.expected
    }

    /// Selects the last frames when the run has ended, and ends its segments. Where the decoder has
    /// failed, the first segment that it has not decoded to its end is the one to blame.
    pub(crate) fn end(&mut self, failed: bool) -> Result<Leftover> {
        // A later run of the program goes on as if more had followed: a selection made now for want
        // of more is no state.
        if !failed {
            let Self { queue, detectors, writer, .. } = self;
            queue.end_all(|| snapshot(detectors, writer));
        }
        self.provisional_from = Some(self.writer.journal.next_id());
        self.detectors.decider.finish();
        while let Some((selection, shown)) = self.detectors.decider.last_choice() {
            self.keep(&selection, shown)?;
        }
        self.forget_ahead();
        let next_id = self.writer.journal.next_id();
        self.provisional_from = self.provisional_from.filter(|&from| from < next_id);
        self.counters.ended(&mut self.detectors.decider);
        let ended = self.queue.end_run(failed);
        for segment in ended.done {
            self.finish(segment)?;
        }
        if ended.blamed.as_ref().is_some_and(|part| part.is_preroll) {
            self.writer.journal.forbid_preroll();
        }
        (self.any, self.expected, self.provisional_from) = (false, false, None);
        let undecoded = std::mem::take(&mut self.undecoded);
        Ok(Leftover { blamed: ended.blamed, left: ended.left, undecoded })
    }

    /// Returns the segments that Ctrl-C has left undone.
    pub(crate) fn into_undone(mut self) -> HashSet<String> {
        let left = self.queue.end_run(true);
        let parts = left.done.into_iter().map(|segment| segment.part).chain(left.left);
        parts.filter(|part| !part.is_preroll).map(|part| part.path).collect()
    }

    /// Goes on with the same video after the last segment of an earlier run, which is decoded once
    /// more before it.
    pub(crate) fn take_back(&mut self) -> Result<()> {
        let again = self.writer.take_back()?;
        self.queue.expect_again(again);
        Ok(())
    }

    /// Announces that a segment is done, if it was fed to its end.
    fn finish(&mut self, segment: QueuedSegment) -> Result<()> {
        let QueuedSegment { part, bytes, has_frames, frames, decoded, end, again } = segment;
        if part.is_preroll {
            let Some(again) = again else { return Ok(()) };
            return self.writer.done_again(again, frames, self.provisional_from);
        }
        let Some(bytes) = bytes else {
            self.queue.carry(part.path, frames, decoded);
            return Ok(());
        };
        // A keyframe at the end of a segment may belong to the next one by its time.
        if decoded == 0 && has_frames && (self.decode == Decode::Full || !self.any) {
            self.undecoded.push(part.path.clone());
        }
        // After a decoder that failed nothing follows: the present state is the state.
        let end = end.unwrap_or_else(|| snapshot(&self.detectors, &self.writer));
        if let Some(saved) = &end.saved
            && let Err(Obstruction { path, error }) =
                self.writer.journal.save(&saved.to_bytes()?)?
        {
            let path = path.to_string_lossy();
            let message = format!(
                "{path}: {error}; a run that goes on from this segment does without the state (remove what has this name)"
            );
            self.writer.fail("obstructed", &message, Some(&path))?;
        }
        self.flush_scores()?;
        let source = part.source;
        let done = segment_done(source.seq, part.path, frames, decoded);
        self.writer.done(Checkpoint {
            anchor: Some(source.anchor).filter(|_| part.may_be_preroll),
            from: source.bytes_from,
            pid: Some(source.pid),
            codec: source.codec.map(|codec| codec.as_str().to_owned()),
            ahead: source.ahead,
            provisional_from: self.provisional_from.filter(|_| part.may_be_preroll),
            ..Checkpoint::alone(done, bytes, self.detectors.threshold_state(), end.next_id)
        })
    }

    /// Announces that a segment is done of which nothing is decoded.
    pub(crate) fn leave_out(&mut self, seq: u64, path: &str, bytes: u64) -> Result<()> {
        self.flush_scores()?;
        self.writer.done_alone(segment_done(seq, path.to_owned(), 0, 0), bytes)
    }

    fn flush_scores(&mut self) -> Result<()> {
        self.scores.as_mut().map_or(Ok(()), ScoreLog::flush)
    }
}

/// Returns the state for the checkpoint of a segment that ends now.
fn snapshot(detectors: &Detectors, writer: &FrameWriter) -> Snapshot {
    Snapshot { saved: detectors.save(), next_id: writer.journal.next_id(), followed: 0 }
}
