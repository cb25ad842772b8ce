//! Emits the results of an earlier run of the program again, or takes some of them back.
//!
//! At the end of its input the stage decides on incomplete changes: one half of a dissolve, a fade
//! to black that may come back, a cut that waits for the end of a gap. If a later run goes on with
//! the same video, it knows better. Such frames are *provisional*: they are taken back, and
//! selected anew under the same numbers, so that the result is that of one run. Until it is known
//! whether the video goes on, they are not emitted again.

use std::{fs, path::Path};

use anyhow::Result;
use cht_core::event::{Body, Event, Frame, SegmentDone};

use super::{journal::number, writer::FrameWriter};

impl FrameWriter {
    /// Emits again the events that an earlier run of the program made of a segment; returns `false`
    /// if it made none.
    pub(crate) fn replay(&mut self, path: &str, bytes: u64) -> Result<bool> {
        let is_unsure = self.journal.is_unsure(path);
        if !is_unsure {
            self.release()?;
        }
        let Some(done) = self.journal.done(path, bytes) else { return Ok(false) };
        self.counters.again(done.checkpoint.done.decoded.unwrap_or(1));
        let provisional = self.journal.provisional().filter(|_| is_unsure);
        let is_certain = |event: &&Event| provisional.is_none_or(|from| number(event) < Some(from));
        let certain = done.frames.iter().take_while(is_certain).count();
        let (certain, rest) = done.frames.split_at(certain);
        let event = Event::new(self.session.clone(), done.checkpoint.done.clone());
        for frame in certain {
            self.emit_again(frame)?;
        }
        if is_unsure {
            let rest = rest.iter().cloned().chain([event]).collect::<Vec<_>>();
            self.held.extend(rest);
        } else {
            self.emit(&event)?;
        }
        Ok(true)
    }

    /// Emits the frames that an earlier run had selected at its end, since the video does not go
    /// on, as far as is known.
    pub(crate) fn release(&mut self) -> Result<()> {
        for event in std::mem::take(&mut self.held) {
            self.emit_again(&event)?;
        }
        Ok(())
    }

    /// Emits an event of an earlier run, but no frame whose picture is gone.
    fn emit_again(&self, event: &Event) -> Result<()> {
        match &event.body {
            Body::Frame(frame) if !is_there(frame) => {
                let message = format!(
                    "{}: is missing or has another size than it was written with; no event names it (--overwrite makes all pictures again)",
                    frame.path
                );
                self.fail("missing", &message, Some(&frame.path))
            }
            _ => self.emit(event),
        }
    }

    /// Takes back the frames that an earlier run selected because its input ended, since the video
    /// goes on. Returns the segments that are done once more.
    pub(crate) fn take_back(&mut self) -> Result<Vec<SegmentDone>> {
        self.held.clear();
        self.journal.go_on()?;
        Ok(self.journal.unsure().iter().map(|unsure| unsure.done.clone()).collect())
    }

    /// Writes to the journal and emits that a segment of an earlier run is done, now that the
    /// following one is known. Frames from number `provisional_from` on may again be taken back.
    pub(crate) fn done_again(
        &mut self,
        mut done: SegmentDone,
        frames: u64,
        provisional_from: Option<u64>,
    ) -> Result<()> {
        done.events = frames;
        self.journal.done_again(&done, provisional_from)?;
        self.emit(&Event::new(self.session.clone(), done))
    }
}

/// Tells whether the files of a frame are there, as they were written.
fn is_there(frame: &Frame) -> bool {
    let is_whole =
        fs::metadata(&frame.path).is_ok_and(|it| it.is_file() && it.len() == frame.bytes);
    is_whole && frame.thumbnail.as_ref().is_none_or(|path| Path::new(path).is_file())
}
