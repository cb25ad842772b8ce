//! Feeds finished segments.

use std::{ops::Range, path::Path};

use anyhow::Result;
use cht_core::{
    event::{Anchor, Segment},
    session::finished_segment::FinishedSegment,
    timeline::WallClock,
};
use cht_ts::SingleStream;

use super::Feeder;
use crate::piece::{entry::Source, journal::key};

impl Feeder {
    /// Cuts the sound of a finished segment of the folder that was entered; emits an `error` event
    /// if it cannot be read.
    pub(super) fn take_segment(&mut self, segment: &Segment) -> Result<()> {
        self.upstream.begun().remove(&segment.path);
        let cut = self.cut(segment);
        self.report_lost(cut, &segment.path)
    }

    fn cut(&mut self, segment: &Segment) -> Result<()> {
        let folder = self.folder()?;
        let key = key(&segment.path, folder.by_name).to_owned();
        if folder.handled.get(&key).is_some_and(|bytes| *bytes == segment.bytes || *bytes == 0) {
            return Ok(());
        }
        if folder.done.contains(&key) {
            // A decoder of the segment before cannot go on with it: its pieces are there.
            self.end_run(false)?;
        }
        if self.mend(&key, segment)? {
            return Ok(());
        }
        let folder = self.folder()?;
        folder.handled.insert(key.clone(), segment.bytes);
        let is_recorded = folder.by_name && key != segment.path;
        let last_seq = folder.last_seq.filter(|_| is_recorded);
        folder.last_seq = last_seq.max(Some(segment.seq));
        if self.is_done(&key, segment)? {
            return Ok(());
        }
        if last_seq.is_some_and(|last| segment.seq <= last) {
            return self.refuse_late(segment);
        }
        if let Ok(writer) = self.writer() {
            writer.replay(&segment.path)?;
        }
        let asked = self.args.sound();
        let sound = match asked.of_segment(segment) {
            Ok(Some(sound)) if segment.timeline.is_some() => sound,
            Ok(_) => return self.without_sound(segment, &key),
            Err(there) => {
                let message = format!("{}: no {asked} in it; there is {there}", segment.path);
                self.fail("no_stream", &message, &segment.path)?;
                return self.leave_out(segment, &key);
            }
        };
        if sound.codec().is_none_or(|codec| !SingleStream::takes_sound(codec)) {
            let message = format!(
                "{}: sound in {}, which cannot be decoded; choose another with --stream",
                segment.path, sound.codec
            );
            self.fail("undecodable", &message, &segment.path)?;
            return self.leave_out(segment, &key);
        }
        let Some(anchor) = segment.timeline else { return Ok(()) };
        let file = FinishedSegment::open(Path::new(&segment.path))?;
        let source = Source {
            key,
            seq: segment.seq,
            path: segment.path.clone(),
            bytes: file.length(),
            connection: segment.connection,
            anchor: Some(anchor),
            wall_clock: segment.opened_at.and_then(|at| WallClock::of_segment(at, anchor)),
            sound: Some(sound),
            from: 0,
        };
        let parts = anchor.parts(&segment.jumps);
        let first = self.first_part(&source, &parts);
        for (bytes, anchor) in parts.into_iter().skip(first) {
            let source = Source { anchor: Some(anchor), from: bytes.start, ..source.clone() };
            self.begin(&source, false)?;
            let from = self.from().max(bytes.start);
            self.feed_part(&file, &source, from..bytes.end)?;
        }
        self.fed(file.length())
    }

    /// Returns the index of the part of a segment with which the run goes on that an earlier run of
    /// the program left.
    fn first_part(&self, source: &Source, parts: &[(Range<u64>, Anchor)]) -> usize {
        let writer = self.folder.as_ref().and_then(|folder| folder.writer.as_ref());
        let left = writer.and_then(|writer| writer.journal.unfinished());
        let byte = left.filter(|(resume, _)| resume.at.key == source.key);
        let byte = byte.map_or(0, |(resume, _)| resume.at.byte);
        parts.iter().rposition(|(bytes, _)| bytes.start <= byte).unwrap_or(0)
    }

    /// Feeds a part of a segment, as far as it can be read.
    fn feed_part(
        &mut self,
        file: &FinishedSegment,
        source: &Source,
        part: Range<u64>,
    ) -> Result<()> {
        let begin = part.start;
        let mut at = begin;
        for window in file.windows(&part) {
            match window {
                Ok(window) => {
                    self.feed(&window)?;
                    at += window.len() as u64;
                }
                // Nothing could be read, so nothing is done.
                Err(error) if at == 0 => return Err(error.into()),
                Err(error) => return self.torn(&source.path, &error),
            }
        }
        Ok(())
    }

    /// Emits again what a segment gave that is done; returns whether it is.
    fn is_done(&mut self, key: &str, segment: &Segment) -> Result<bool> {
        let Ok(writer) = self.writer() else { return Ok(false) };
        let Some(source) = writer.journal.done(key).cloned() else { return Ok(false) };
        if source.bytes != segment.bytes {
            return Ok(false);
        }
        writer.replay(&segment.path)?;
        writer.replay_done(&source, segment.seq, &segment.path)?;
        Ok(true)
    }

    /// Reports a segment without sound; of several in a row, the first.
    fn without_sound(&mut self, segment: &Segment, key: &str) -> Result<()> {
        let is_first = self.writer().map_or(true, |writer| {
            let last = writer.journal.last_done();
            last.is_none_or(|last| last.sound.is_some() || last.connection != segment.connection)
        });
        if is_first {
            let message = format!("{}: no sound in it; nothing to cut", segment.path);
            self.fail("no_sound", &message, &segment.path)?;
        }
        self.leave_out(segment, key)
    }

    /// Refuses a segment that comes after a later one is done: its pieces would get later numbers.
    fn refuse_late(&mut self, segment: &Segment) -> Result<()> {
        let message = format!(
            "{}: comes after a later segment was done; left out, because its pieces would get later numbers \
             (to cut all of the session anew: --overwrite, or --out DIR)",
            segment.path
        );
        self.fail("out_of_order", &message, &segment.path)
    }

    /// Emits an error about a segment, after the pieces before it.
    pub(super) fn fail(&mut self, code: &str, message: &str, path: &str) -> Result<()> {
        self.end_run(false)?;
        self.writer()?.fail(code, message, Some(path))
    }
}
