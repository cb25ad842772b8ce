//! Events between the stages: names and times that the stages cannot know, and counts.
//!
//! The stages work in the folder of a result in the making, and on remuxed copies. Events name the
//! places that hold afterwards: the finished result, and the inputs of the unit.

use std::{
    collections::{HashMap, HashSet},
    sync::OnceLock,
};

use cht_core::event::{Body, Event, Segment, rounded};
use cht_ts::time::seconds;
use jiff::Timestamp;

use super::carry::Carried;
use crate::store::Failure;

/// Code of a fault that is not the file's: the unit has to be planned or tried again.
pub(crate) const AGAIN: &str = "again";

/// An input as the stages see it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Its path in the unit.
    pub path: String,
    /// Wall clock of its first byte, by its name.
    pub at: Option<Timestamp>,
    /// Number in the unit, from 1; `None` in a session, which numbers its segments.
    pub seq: Option<u64>,
}

/// Names before and after.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Inputs by the paths that the stages are given.
    pub inputs: HashMap<String, Seen>,
    /// Folder of the result in the making.
    pub work: String,
    /// Folder of the finished result.
    pub result: String,
    /// Where the inputs of the result that goes on begin on its timeline, in ticks, by path.
    pub offsets: HashMap<String, i64>,
    /// Difference of the timelines, known from the first segment on.
    pub shift: OnceLock<i64>,
    /// Whether frames say when their change began. The detector `scene` alone does not know, and
    /// measures that were kept do.
    pub has_changes: bool,
    /// The stage whose word about a segment is the last.
    pub last_stage: &'static str,
}

impl Names {
    /// Returns the line of a segment as the next stages are to see it.
    pub(crate) fn segment(&self, mut segment: Segment) -> Vec<u8> {
        self.shift(&mut segment);
        if let Some(seen) = self.inputs.get(&segment.path) {
            segment.opened_at = segment.opened_at.or(seen.at);
            segment.seq = seen.seq.unwrap_or(segment.seq);
        }
        Event::new(Some(self.result.clone()), segment).to_line()
    }

    /// Puts a segment on the timeline of the result that goes on: cht-segwatch begins one with the
    /// first segment that is left.
    fn shift(&self, segment: &mut Segment) {
        let Some(timeline) = &mut segment.timeline else { return };
        let begin =
            segment.first_pts.map_or(timeline.offset, |pts| timeline.offset + (pts - timeline.pts));
        let known = || Some(self.offsets.get(&self.input(&segment.path))? - begin);
        let shift = *self.shift.get_or_init(|| known().unwrap_or(0));
        timeline.offset += shift;
        segment.start = segment.start.map(|start| rounded(start + seconds(shift)));
        for jump in &mut segment.jumps {
            jump.timeline.offset += shift;
        }
    }

    /// Returns the lines of an event of the last stage as the index is to hold them; none for one
    /// that it does not keep.
    pub(crate) fn finding(&self, event: Event, carried: &Carried) -> Vec<u8> {
        let session = event.session;
        match event.body {
            Body::Frame(mut frame) => {
                frame.path = self.moved(&frame.path);
                frame.thumbnail = frame.thumbnail.as_deref().map(|path| self.moved(path));
                frame.segment = self.input(&frame.segment);
                frame.change = frame.change.filter(|_| self.has_changes);
                carried.lines_of(session.as_deref(), frame)
            }
            Body::Audio(mut audio) => {
                audio.path = audio.path.as_deref().map(|path| self.moved(path));
                audio.segment = self.input(&audio.segment);
                Event::new(session, audio).to_line()
            }
            _ => Vec::new(),
        }
    }

    /// Returns a fault with the name of its input.
    pub(crate) fn failure(&self, failure: &cht_core::event::Failure) -> Failure {
        let path = failure.path.as_deref().map(|path| self.input(path));
        let message = match (&failure.path, &path) {
            (Some(old), Some(new)) => failure.message.replace(old, new),
            _ => failure.message.clone(),
        };
        Failure { code: failure.code.clone(), message, path }
    }

    /// Returns the path in the unit of an input that the stages name.
    pub(crate) fn input(&self, path: &str) -> String {
        self.inputs.get(path).map_or_else(|| path.to_owned(), |seen| seen.path.clone())
    }

    /// Returns the final path of a file in the result.
    fn moved(&self, path: &str) -> String {
        let rest = path.strip_prefix(&self.work).filter(|rest| rest.starts_with('/'));
        rest.map_or_else(|| path.to_owned(), |rest| format!("{}{rest}", self.result))
    }
}

/// Counts of a unit, and its faults.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Counts {
    pub segments: u64,
    /// Seconds of video in the segments.
    pub seconds: f64,
    /// Frames in the index at the end.
    pub indexed: u64,
    /// Ids of pieces of sound: one may be replaced.
    pub ids: HashSet<String>,
    pub decoded: u64,
    /// Segments that the last stage has done.
    pub done: u64,
    /// Those of them that an earlier run had done, which was stopped.
    pub before: u64,
    pub failures: Vec<Failure>,
    /// What the inputs lack, and need not have: `sound` or `video`.
    pub lacks: Vec<String>,
    /// Where each input begins on the timeline, in ticks, by path.
    pub offsets: HashMap<String, i64>,
}

impl Counts {
    /// Counts a segment, as the stages after cht-segwatch see it.
    pub(crate) fn add_segment(&mut self, segment: &Segment, names: &Names) {
        self.segments += 1;
        self.seconds += segment.duration.unwrap_or(0.0);
        if let Some(timeline) = segment.timeline {
            let into = segment.first_pts.map_or(0, |pts| pts - timeline.pts);
            let shift = names.shift.get().copied().unwrap_or(0);
            self.offsets.insert(names.input(&segment.path), timeline.offset + into + shift);
        }
    }

    /// Counts an event of a stage after cht-segwatch.
    pub(crate) fn add(&mut self, event: &Event, names: &Names) {
        match &event.body {
            Body::Audio(audio) => drop(self.ids.insert(audio.id.clone())),
            Body::SegmentDone(done) => {
                self.done += u64::from(done.stage == names.last_stage);
                self.decoded += done.decoded.unwrap_or(0);
            }
            Body::Failure(failure) => self.fail(names.failure(failure)),
            _ => {}
        }
    }

    /// Returns the seconds of video that this run has worked on.
    pub(crate) fn worked(&self) -> f64 {
        let before = self.before.min(self.done) as f64 / self.segments.max(1) as f64;
        self.seconds * (1.0 - before.min(1.0))
    }

    /// Returns the number of pieces of sound.
    pub(crate) fn pieces(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Takes it for no fault that an input has no sound, or no video, where both were looked for.
    /// One that has neither is at fault.
    pub(crate) fn excuse(&mut self) {
        let has = |failures: &[Failure], code: &str, path: &Option<String>| {
            failures.iter().any(|failure| failure.code == code && failure.path == *path)
        };
        let known = self.failures.clone();
        self.failures.retain(|failure| {
            let (other, what) = match &*failure.code {
                "no_sound" => ("no_video", "sound"),
                "no_video" => ("no_sound", "video"),
                _ => return true,
            };
            let is_at_fault = has(&known, other, &failure.path);
            if !is_at_fault && !self.lacks.iter().any(|known| known == what) {
                self.lacks.push(what.to_owned());
            }
            is_at_fault
        });
        self.lacks.sort_unstable();
    }

    /// Adds a fault, unless another stage has found the same.
    pub(crate) fn fail(&mut self, failure: Failure) {
        let is_known = |known: &Failure| known.code == failure.code && known.path == failure.path;
        if !self.failures.iter().any(is_known) {
            self.failures.push(failure);
        }
    }
}
