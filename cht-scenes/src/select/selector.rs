//! What comes out of the decoder: frames are placed on the timeline, decided on, written and announced.

use std::{collections::VecDeque, sync::Arc};

use anyhow::Result;
use cht_core::{
    event::{self, Event, SegmentDone},
    process::{ffmpeg::Program, report},
};
use cht_detect::{
    Cause, LOOKAHEAD,
    measure::Plane,
    threshold::{Kept, Rules, State},
};

use super::{
    detectors::Detectors,
    early::Ahead,
    journal::{Checkpoint, FrameJournal, Obstruction},
    refetch::Refetcher,
    score_log::ScoreLog,
};
use crate::{
    cli::args::Args,
    decode::{
        ffmpeg_log::Decoded,
        filter::{self, tick_of},
        frame::{Frame, Picture},
        frames::{Frames, Next},
        mode::Decode,
    },
    interrupt::Interrupt,
    output::Output,
    picture::Painter,
    select::types::reason,
    stats::counters::{Counters, Suppressions},
};

pub(crate) use super::types::{Done, Found, Run, Segment, Snapshot};
pub(crate) use crate::{
    decode::message::{End, Message},
    input::Part,
};

/// Picks frames; lives as long as its folder, over any number of decoders.
#[derive(Debug)]
pub(crate) struct FrameSelector {
    pub store: FrameJournal,
    pub state: State,
    /// The detectors that measure; without them ffmpeg's score alone decides.
    pub measured: Option<Detectors>,
    pub output: Output,
    pub session: Option<String>,
    pub rules: Rules,
    pub painter: Painter,
    pub fetcher: Refetcher,
    /// Where measures are written, if they are asked for.
    pub scores: Option<ScoreLog>,
    pub tally: Arc<Counters>,
    /// Whether a run ends early.
    pub interrupt: Arc<Interrupt>,
    /// The run ends where a segment was done a moment ago.
    pub is_cut: bool,
    /// What a run has left to be ended.
    pub left: VecDeque<Segment>,
    /// What is chosen ahead while a live stream pauses.
    pub(super) ahead: Ahead,
    /// Path, kept and decoded frames of the segment whose first part another decoder has decoded.
    pub carried: Option<(String, u64, u64)>,
    /// What is decoded.
    pub decode: Decode,
    /// The run gave a frame.
    pub any: bool,
    /// Some segment of the run had frames to be decoded.
    pub expected: bool,
    /// What an earlier run emitted for its last segment and may take back ([`again`]).
    pub(super) held: Vec<Event>,
    /// The last segments of an earlier run, where frames of them were taken back.
    pub(super) again: Vec<SegmentDone>,
    /// The number of the first frame that was chosen because nothing followed.
    pub(super) provisional_from: Option<u64>,
    /// Segments that gave no frame at all, to be spoken of when the decoder has said its last words.
    pub undecoded: Vec<String>,
}

impl FrameSelector {
    /// One that goes on where `store` says.
    pub(crate) fn new(
        store: FrameJournal,
        output: Output,
        args: &Args,
        ffmpeg: Program,
        tally: Arc<Counters>,
    ) -> Self {
        Self {
            state: store.last().map(|last| last.state).unwrap_or_default(),
            measured: None,
            scores: None,
            store,
            output,
            session: None,
            rules: args.threshold_rules(),
            painter: Painter::new(args.look, args.quality),
            fetcher: Refetcher::new(ffmpeg, args.limits()),
            tally,
            interrupt: Arc::default(),
            is_cut: false,
            left: VecDeque::new(),
            ahead: Ahead::default(),
            carried: None,
            decode: args.decode,
            any: false,
            expected: false,
            held: Vec::new(),
            again: Vec::new(),
            provisional_from: None,
            undecoded: Vec::new(),
        }
    }

    /// Follows a decoder to its end. Segments that were fed to their end are then done.
    pub(crate) fn follow(&mut self, run: &mut Run<'_>) -> Result<End> {
        let mut segments: VecDeque<Segment> = VecDeque::new();
        let mut reference = None;
        let (mut ended, mut write) = (false, None);
        let end = loop {
            if self.is_cut {
                break End::Cut;
            }
            let message = match run.frames.next(run.timeout)? {
                Next::Message(message) => message,
                Next::End(end) => break end,
                Next::Timeout => {
                    let under_way = run.writes.under_way();
                    if ended || (under_way.is_some() && under_way == write) {
                        break End::Hung;
                    }
                    write = under_way;
                    continue;
                }
            };
            match message {
                Message::Segment(part) => self.begin(&mut segments, part),
                Message::Fed { bytes, has_frames } => self.fed(&mut segments, bytes, has_frames),
                Message::Ended => ended = true,
                Message::Pause(pause) => self.look_ahead(&segments, reference, pause)?,
                Message::Complaint => {}
                Message::Frame(frame) => {
                    self.take(&mut segments, &mut reference, run.pid, *frame)?;
                }
            }
        };
        self.left = segments;
        Ok(end)
    }

    /// Takes note of what else was fed to a decoder that has failed.
    pub(crate) fn leave(&mut self, frames: Frames) {
        let mut segments = std::mem::take(&mut self.left);
        for message in frames.rest() {
            match message {
                Message::Segment(part) => self.begin(&mut segments, part),
                Message::Fed { bytes, has_frames } => self.fed(&mut segments, bytes, has_frames),
                _ => {}
            }
        }
        self.left = segments;
    }

    /// The bytes of a segment follow.
    fn begin(&mut self, segments: &mut VecDeque<Segment>, part: Part) {
        let carried = self.carried.take();
        let carried = carried.filter(|(path, ..)| *path == part.path && !part.warm_up);
        let (_, mut frames, decoded) = carried.unwrap_or_default();
        let (bytes, has_frames, end) = (None, true, None);
        let again = self.again.iter().position(|again| part.warm_up && again.path == part.path);
        let again = again.map(|again| self.again.remove(again));
        if let Some(again) = &again {
            frames = again.events;
        }
        if segments.is_empty() {
            self.interrupt.decoding(&part.path);
        }
        segments.push_back(Segment { part, bytes, has_frames, frames, decoded, end, again });
    }

    /// The last segment was fed to its end.
    fn fed(&mut self, segments: &mut VecDeque<Segment>, bytes: u64, has_frames: bool) {
        if let Some(segment) = segments.back_mut() {
            (segment.bytes, segment.has_frames) = (Some(bytes), has_frames);
            self.expected |= has_frames;
        }
    }

    /// Takes a frame.
    fn take(
        &mut self,
        segments: &mut VecDeque<Segment>,
        reference: &mut Option<i64>,
        pid: u16,
        frame: Frame,
    ) -> Result<()> {
        self.any = true;
        let Frame { decoded, small, picture } = frame;
        let Some(at) = self.place(segments, reference, pid, &decoded)? else { return Ok(()) };
        match small {
            Some(small) => self.measure(segments, at, decoded, small, picture),
            None => self.decide(segments, at, decoded, picture),
        }
    }

    /// Where a frame lies on the timeline; the segment that it belongs to is then the last one that began.
    fn place(
        &mut self,
        segments: &mut VecDeque<Segment>,
        reference: &mut Option<i64>,
        pid: u16,
        frame: &Decoded,
    ) -> Result<Option<i64>> {
        let Some(pts) = frame.pts else {
            report::warn(format_args!("PID {pid:#x}: a frame without PTS was left out"));
            self.tally.suppress(Suppressions::NoPts, 1);
            return Ok(None);
        };
        let Some(first) = segments.front() else { return Ok(None) };
        let anchor = first.part.source.anchor;
        let at = tick_of(anchor, reference.unwrap_or(anchor.offset), pts);
        *reference = Some(at);
        let ends =
            |n: usize| segments.get(n + 1).is_some_and(|next| at >= next.part.source.anchor.offset);
        let ended = (0..segments.len()).filter(|&n| ends(n) && segments[n].end.is_none()).count();
        for segment in segments.iter_mut().filter(|segment| segment.end.is_none()).take(ended) {
            segment.end = Some(self.snapshot());
        }
        while let Some(next) = segments.get(1)
            && self.is_settled(&segments[0], next.part.source.anchor.offset)
        {
            if let Some(done) = segments.pop_front() {
                self.finish(done)?;
                self.is_cut = self.is_cut || self.interrupt.is_cut();
                self.interrupt.decoding(&segments[0].part.path);
            }
        }
        Ok(Some(at))
    }

    /// What is known now.
    fn snapshot(&self) -> Snapshot {
        let saved = self.measured.as_ref().map(Detectors::save);
        Snapshot { saved, next_id: self.store.next_id(), followed: 0 }
    }

    /// Whether nothing more will be chosen in a segment that the one from `next` on follows.
    fn is_settled(&self, segment: &Segment, next: i64) -> bool {
        let Some(end) = &segment.end else { return false };
        self.measured
            .as_ref()
            .is_none_or(|measured| end.followed > LOOKAHEAD && measured.decider.waits_from(next))
    }

    /// Gives a frame to the detectors that measure.
    fn measure(
        &mut self,
        segments: &mut VecDeque<Segment>,
        at: i64,
        frame: Decoded,
        small: Plane,
        picture: Option<Picture>,
    ) -> Result<()> {
        let Some(measured) = &mut self.measured else { return Ok(()) };
        for segment in segments.iter_mut() {
            if let Some(end) = &mut segment.end {
                end.followed += 1;
            }
        }
        let Some(segment) = segments.iter_mut().find(|segment| segment.end.is_none()) else {
            return Ok(());
        };
        if segment.part.warm_up {
            measured.decider.run_up(at, picture.map(Some));
            return Ok(());
        }
        segment.decoded += 1;
        let gap = self.decode == Decode::Keyframes;
        if !gap {
            measured.decider.pass(at);
            self.keep_choices(segments)?;
        }
        self.ahead = Ahead::default();
        self.measure_next(segments, at, &frame, small, picture, gap)
    }

    /// Measures the frame that time has passed up to.
    fn measure_next(
        &mut self,
        segments: &mut VecDeque<Segment>,
        at: i64,
        frame: &Decoded,
        small: Plane,
        picture: Option<Picture>,
        gap: bool,
    ) -> Result<()> {
        let Some(measured) = &mut self.measured else { return Ok(()) };
        let Some(segment) = segments.iter_mut().find(|segment| segment.end.is_none()) else {
            return Ok(());
        };
        let every = filter::every(self.decode);
        let (measures, is_candidate) = measured.frame(at, frame, small, picture, every, gap);
        self.tally.measured(at, &mut measured.decider);
        if let Some(scores) = &mut self.scores {
            scores.add(&segment.part, self.session.as_deref(), &measures, is_candidate)?;
        }
        self.keep_choices(segments)
    }

    /// Keeps what is chosen by now.
    fn keep_choices(&mut self, segments: &mut VecDeque<Segment>) -> Result<()> {
        while let Some((choice, shown)) =
            self.measured.as_mut().and_then(|m| m.decider.next_choice())
        {
            self.keep_choice(segments, &choice, shown)?;
        }
        Ok(())
    }

    /// The run has ended: chooses what is left, and ends its segments. Where the decoder has failed, the first segment that it
    /// has not decoded to the end is the one to blame, and those behind it are for another decoder. Returns both.
    pub(crate) fn end(&mut self, failed: bool) -> Result<(Option<Part>, Vec<Part>)> {
        let mut segments = std::mem::take(&mut self.left);
        // A later run of the program goes on as if more had followed: what is chosen now for want of more is no state.
        for segment in segments.iter_mut().filter(|segment| segment.end.is_none() && !failed) {
            segment.end = Some(self.snapshot());
        }
        if let Some(measured) = &mut self.measured {
            self.provisional_from = Some(self.store.next_id());
            measured.decider.finish();
        }
        while let Some((choice, shown)) =
            self.measured.as_mut().and_then(|measured| measured.decider.last_choice())
        {
            self.keep_choice(&mut segments, &choice, shown)?;
        }
        self.ahead = Ahead::default();
        self.provisional_from = self.provisional_from.filter(|&from| from < self.store.next_id());
        if let Some(measured) = &mut self.measured {
            self.tally.ended(&mut measured.decider);
        }
        let (mut blamed, mut behind) = (None, Vec::new());
        for mut segment in segments {
            if !failed || segment.end.is_some() {
                self.finish(segment)?;
            } else if segment.part.warm_up {
                // The next decoder goes without a run-up.
                blamed = Some(segment.part);
                self.store.forbid_run_up();
            } else if blamed.is_none() {
                blamed = Some(segment.part.clone());
                // It is done as well as can be. Nobody should decode it as a run-up.
                (segment.bytes, segment.part.runs_up) =
                    (segment.bytes.or(segment.part.bytes), false);
                self.finish(segment)?;
            } else {
                behind.push(segment.part);
            }
        }
        (self.any, self.provisional_from) = (false, None);
        Ok((blamed, behind))
    }

    /// Decides by ffmpeg's score alone.
    fn decide(
        &mut self,
        segments: &mut VecDeque<Segment>,
        at: i64,
        frame: Decoded,
        picture: Option<Picture>,
    ) -> Result<()> {
        let Some(segment) = segments.front_mut() else { return Ok(()) };
        if segment.part.warm_up {
            return Ok(());
        }
        segment.decoded += 1;
        self.tally.decoded(at);
        if frame.restarted && self.state.last_kept.is_some() {
            // A new size or format: another picture for sure, and no score can tell.
            self.state.waiting = Some(1.0);
        }
        // Without a picture there is nothing to keep; the rule is still due at the next one.
        let mut state = self.state;
        let kept = state.decide(&self.rules, at, frame.score);
        let is_shown = kept.is_some_and(|kept| kept.cause != Cause::Interval);
        self.tally.suppress(
            Suppressions::MinGap,
            (frame.score > self.rules.threshold && !is_shown).into(),
        );
        let Some(Kept { cause, score }) = kept else {
            self.state = state;
            return Ok(());
        };
        // A decoder that began within the stream did not know which ones to hand over.
        let Some(picture) = picture.or_else(|| Some(self.fetch(segments, at)?.1)) else {
            if frame.score > self.rules.threshold {
                let waiting = self.state.waiting;
                self.state.waiting = Some(waiting.map_or(frame.score, |w| w.max(frame.score)));
            }
            return Ok(());
        };
        self.state = state;
        let Some(segment) = segments.front_mut() else { return Ok(()) };
        segment.frames += 1;
        let part = segment.part.clone();
        let scores = event::Scores { scene: score, ..event::Scores::default() };
        let detector = matches!(cause, Cause::Found(_)).then_some(event::Detector::Scene);
        let found = Found { reason: reason(cause), detector, scores, change: None, returned: None };
        self.keep(&part, at, &found, &picture)?;
        Ok(())
    }

    /// Announces that a segment is done, if it was fed to its end.
    fn finish(&mut self, segment: Segment) -> Result<()> {
        let Segment { part, bytes, has_frames, frames, decoded, end, again } = segment;
        if part.warm_up {
            return again.map_or(Ok(()), |again| self.done_again(again, frames));
        }
        let Some(bytes) = bytes else {
            self.carried = Some((part.path, frames, decoded));
            return Ok(());
        };
        // A keyframe at the end of a segment may belong to the next one by its time.
        if decoded == 0 && has_frames && !(self.decode != Decode::Full && self.any) {
            self.undecoded.push(part.path.clone());
        }
        // Behind a decoder that failed nothing follows, and what is known now is what is to be known.
        let end = end.unwrap_or_else(|| self.snapshot());
        if let Some(saved) = &end.saved
            && let Err(Obstruction { path, error }) = self.store.save(&saved.to_bytes()?)?
        {
            let path = path.to_string_lossy();
            let message = format!(
                "{path}: {error}; a run that goes on from this segment does without the state (remove what has this name)"
            );
            self.fail("obstructed", &message, Some(&path))?;
        }
        self.done(Done {
            seq: part.source.seq,
            path: part.path,
            bytes,
            frames,
            decoded,
            anchor: Some(part.source.anchor).filter(|_| part.runs_up),
            from: part.source.bytes_from,
            pid: Some(part.source.pid),
            codec: part.source.codec,
            ahead: part.source.ahead,
            next_id: Some(end.next_id),
            provisional_from: self.provisional_from.filter(|_| part.runs_up),
        })
    }

    /// Writes down and announces that a segment is done.
    pub(crate) fn done(&mut self, done: Done) -> Result<()> {
        self.release()?;
        if let Some(scores) = &mut self.scores {
            scores.flush()?;
        }
        let event = SegmentDone {
            stage: report::stage().to_owned(),
            seq: done.seq,
            path: done.path.clone(),
            events: done.frames,
            decoded: Some(done.decoded),
        };
        self.store.checkpoint(Checkpoint {
            path: done.path,
            bytes: done.bytes,
            done: event.clone(),
            anchor: done.anchor,
            from: done.from,
            pid: done.pid,
            codec: done.codec.map(|codec| codec.as_str().to_owned()),
            ahead: done.ahead,
            state: self.state,
            next_id: done.next_id.unwrap_or(self.store.next_id()),
            slot: None,
            file: None,
            saved: None,
            provisional_from: done.provisional_from,
        })?;
        self.emit(&Event::new(self.session.clone(), event))
    }

    pub(crate) fn emit(&self, event: &Event) -> Result<()> {
        self.output.emit(event)
    }

    pub(crate) fn fail(&self, code: &str, message: &str, path: Option<&str>) -> Result<()> {
        self.output.fail(self.session.as_deref(), code, message, path)
    }
}
