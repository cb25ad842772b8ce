//! Writes frames: pictures, lines in the journal, events.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use cht_core::{
    event::{Event, Frame, SegmentDone},
    process::{ffmpeg::Program, report},
    stage::Output,
};
use cht_picture::{Encoded, Origin, Painter};
use cht_ts::time::seconds;

use super::{
    found::Found,
    journal::{Checkpoint, FrameJournal, Obstruction},
    refetch::Refetcher,
    segment_queue::SegmentQueue,
};
use crate::{cli::args::Args, decode::frame::Picture, input::Part, stats::counters::Counters};

/// Writes the frames of one folder.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    pub journal: FrameJournal,
    pub refetcher: Refetcher,
    /// Session that the frames belong to.
    pub session: Option<String>,
    painter: Painter,
    output: Output,
    pub(super) counters: Arc<Counters>,
    /// Frames that were announced in a pause and are not kept yet, oldest first.
    announced: Vec<Frame>,
    /// Events of an earlier run for its last segment, which may be taken back ([`super::resume`]).
    pub(super) held: Vec<Event>,
}

impl FrameWriter {
    /// Creates a writer that goes on at the end of `journal`.
    pub(crate) fn new(
        journal: FrameJournal,
        session: Option<&str>,
        output: Output,
        args: &Args,
        ffmpeg: Program,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            journal,
            refetcher: Refetcher::new(ffmpeg, args.limits()),
            session: session.map(str::to_owned),
            painter: Painter::new(args.look, args.quality, args.max_bytes.map(|size| size.0)),
            output,
            counters,
            announced: Vec::new(),
            held: Vec::new(),
        }
    }

    /// Writes a picture and emits its event; returns `false` if that was done before.
    pub(crate) fn keep(
        &mut self,
        part: &Part,
        at: i64,
        found: &Found,
        picture: &Picture,
    ) -> Result<bool> {
        if self.journal.was_kept(&part.path, pts_of(part, at)) {
            return Ok(false);
        }
        loop {
            let (frame, file) = self.describe(part, at, found, picture, 0)?;
            let is_announced = self.confirm(&frame);
            let session = self.session.as_deref();
            let kept = match file.filter(|_| !is_announced) {
                Some(file) => {
                    self.journal.keep(&file.bytes, file.thumbnail.as_deref(), session, frame)?
                }
                None => Ok(self.journal.keep_again(session, frame)?),
            };
            match kept {
                Ok(event) => {
                    self.counters.kept();
                    if !is_announced {
                        self.emit(&event)?;
                    }
                    return Ok(true);
                }
                Err(Obstruction { path, error }) => {
                    let path = path.to_string_lossy();
                    let message = format!(
                        "{path}: {error}; the picture is kept under the next number (remove what has this name)"
                    );
                    self.fail("obstructed", &message, Some(&path))?;
                }
            }
        }
    }

    /// Writes a picture and emits its event before it is kept. A picture whose file cannot be
    /// written waits until it is kept.
    pub(crate) fn announce(
        &mut self,
        part: &Part,
        at: i64,
        found: &Found,
        picture: &Picture,
    ) -> Result<()> {
        let (frame, file) = self.describe(part, at, found, picture, self.announced.len())?;
        if let Some(file) = file
            && !self.journal.announce(&frame, &file.bytes, file.thumbnail.as_deref())?
        {
            return Ok(());
        }
        self.emit(&Event::new(self.session.clone(), frame.clone()))?;
        self.announced.push(frame);
        Ok(())
    }

    /// Forgets the announced frames: the next frames decide anew.
    pub(crate) fn forget_announced(&mut self) {
        self.announced.clear();
    }

    /// Returns whether a kept frame was announced. One that was not takes back the other announced
    /// frames, whose numbers follow.
    fn confirm(&mut self, frame: &Frame) -> bool {
        let is_announced = self.announced.first() == Some(frame);
        self.announced.drain(..if is_announced { 1 } else { self.announced.len() });
        is_announced
    }

    /// Decodes the picture of the frame at `at` again.
    pub(crate) fn fetch(&mut self, queue: &SegmentQueue, at: i64) -> Option<(i64, Picture)> {
        queue.parts_of(at).find_map(|part| {
            let fetched = self.refetcher.fetch(&part.source, &part.path, &[at]);
            fetched.map_or_else(
                |error| {
                    report::warn(format_args!("{}: {error:#}", part.path));
                    None
                },
                |mut pictures| pictures.pop(),
            )
        })
    }

    /// Emits that the picture of the frame at `at` is missing, and the time of the one kept for it.
    pub(crate) fn miss(&self, path: &str, at: i64, near: Option<i64>) -> Result<()> {
        let at = seconds(at);
        let message = match near.map(seconds) {
            Some(near) => format!("{path}: no picture at {at} s; the one at {near} s is kept"),
            None => format!("{path}: no picture at {at} s"),
        };
        self.fail("no_picture", &message, Some(path))
    }

    /// Writes to the journal and emits that a segment is done.
    pub(crate) fn done(&mut self, checkpoint: Checkpoint) -> Result<()> {
        self.release()?;
        let event = checkpoint.done.clone();
        self.journal.checkpoint(checkpoint)?;
        self.emit(&Event::new(self.session.clone(), event))
    }

    /// Does the same for a segment that no later one goes on from.
    pub(crate) fn done_alone(&mut self, done: SegmentDone, bytes: u64) -> Result<()> {
        let state = self.journal.last().map(|last| last.state).unwrap_or_default();
        let next_id = self.journal.next_id();
        self.done(Checkpoint::alone(done, bytes, state, next_id))
    }

    pub(crate) fn emit(&self, event: &Event) -> Result<()> {
        Ok(self.output.emit(event)?)
    }

    pub(crate) fn fail(&self, code: &str, message: &str, path: Option<&str>) -> Result<()> {
        Ok(self.output.fail(self.session.as_deref(), code, message, path)?)
    }

    /// Describes a frame under the next number after the first `others` announced frames, with the
    /// file of its picture. There is no file if an equal picture was written before and `--dedupe`
    /// is set.
    fn describe(
        &mut self,
        part: &Part,
        at: i64,
        found: &Found,
        picture: &Picture,
        others: usize,
    ) -> Result<(Frame, Option<Encoded>)> {
        let (timestamp, pts) = (seconds(at), pts_of(part, at));
        let others = &self.announced[..others];
        let (id, path) = self.journal.next_picture(others.len())?;
        let before = found.returned.and_then(|back| match others.len().checked_sub(back) {
            Some(other) => others.get(other),
            None => self.journal.kept(back - others.len()),
        });
        let returned_to = before.map(|before| before.id.clone());
        let before = before.filter(|_| self.journal.dedupe).map(Stored::of);
        let (stored, file) = if let Some(before) = before {
            (before, None)
        } else {
            let origin = Origin {
                id: &id,
                timestamp,
                pts,
                reason: found.reason.as_str(),
                session: self.session.as_deref(),
                segment: &part.path,
            };
            let file = self.painter.paint(&picture.samples, &picture.format, &origin)?;
            self.painter.take_notes().iter().for_each(report::note);
            let thumbnail = file.thumbnail.as_ref().map(|_| self.journal.thumbnail(&id));
            (Stored::new(&file, &path, thumbnail.transpose()?), Some(file))
        };
        let frame = Frame {
            id,
            timestamp,
            pts,
            at: part.source.wall_clock.and_then(|clock| clock.at(at)),
            path: stored.path,
            thumbnail: stored.thumbnail,
            segment: part.path.clone(),
            reason: found.reason,
            detector: found.detector,
            change: found.change,
            returned_to,
            scores: found.scores,
            width: stored.width,
            height: stored.height,
            bytes: stored.bytes,
            hash: stored.hash,
        };
        Ok((frame, file))
    }
}

/// Files of a picture, as events describe them.
struct Stored {
    path: String,
    thumbnail: Option<String>,
    width: u32,
    height: u32,
    bytes: u64,
    hash: String,
}

impl Stored {
    fn new(file: &Encoded, path: &Path, thumbnail: Option<String>) -> Self {
        Self {
            path: path.to_string_lossy().into_owned(),
            thumbnail,
            width: file.width,
            height: file.height,
            bytes: file.bytes.len() as u64,
            hash: blake3::hash(&file.bytes).to_hex().to_string(),
        }
    }

    /// Describes the files of an earlier frame.
    fn of(frame: &Frame) -> Self {
        Self {
            path: frame.path.clone(),
            thumbnail: frame.thumbnail.clone(),
            width: frame.width,
            height: frame.height,
            bytes: frame.bytes,
            hash: frame.hash.clone(),
        }
    }
}

/// Returns the PTS of the frame at `at`, unwrapped.
fn pts_of(part: &Part, at: i64) -> i64 {
    part.source.anchor.pts_at(at)
}

/// Describes a segment that is done.
pub(crate) fn segment_done(seq: u64, path: String, frames: u64, decoded: u64) -> SegmentDone {
    let stage = report::stage().to_owned();
    SegmentDone { stage, seq, path, events: frames, decoded: Some(decoded) }
}
