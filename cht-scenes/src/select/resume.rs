//! What an earlier run of the program did: emitted again, or in part taken back.
//!
//! At the end of its input the stage decides on what it has: a dissolve of which it has seen one half, a fade to
//! black that may come back, a cut that waits for the end of a gap. If a later run goes on with the same video, it
//! knows better. Those frames are then *provisional*: they are taken back, and chosen anew under the same numbers, so
//! that the result is that of one run. Until it is known whether the video goes on, they are not emitted again.

use anyhow::Result;
use cht_core::event::{Event, SegmentDone};

use super::journal::number;
use super::selector::FrameSelector;

impl FrameSelector {
    /// Emits again what an earlier run of the program made of a segment; `false` if it has made nothing.
    pub(crate) fn replay(&mut self, path: &str, bytes: u64) -> Result<bool> {
        let is_unsure = self.store.is_unsure(path);
        if !is_unsure {
            self.release()?;
        }
        let Some(done) = self.store.done(path, bytes) else { return Ok(false) };
        let provisional = self.store.provisional().filter(|_| is_unsure);
        let is_certain = |event: &&Event| provisional.is_none_or(|from| number(event) < Some(from));
        let certain = done.frames.iter().take_while(is_certain).count();
        let (certain, rest) = done.frames.split_at(certain);
        let event = Event::new(self.session.clone(), done.checkpoint.done.clone());
        for frame in certain {
            self.emit(frame)?;
        }
        if is_unsure {
            let rest = rest.iter().cloned().chain([event]).collect::<Vec<_>>();
            self.held.extend(rest);
        } else {
            self.emit(&event)?;
        }
        Ok(true)
    }

    /// The video does not go on, as far as is known: emits what an earlier run had chosen at its end.
    pub(crate) fn release(&mut self) -> Result<()> {
        for event in std::mem::take(&mut self.held) {
            self.emit(&event)?;
        }
        Ok(())
    }

    /// The video goes on where an earlier run has ended: takes back what it chose because nothing followed.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        self.held.clear();
        self.store.go_on()?;
        self.again = self.store.unsure().iter().map(|unsure| unsure.done.clone()).collect();
        Ok(())
    }

    /// Writes down and announces that a segment of an earlier run is done, now that what follows is known.
    pub(crate) fn done_again(&mut self, mut done: SegmentDone, frames: u64) -> Result<()> {
        done.events = frames;
        self.store.done_again(&done, self.provisional_from)?;
        self.emit(&Event::new(self.session.clone(), done))
    }
}
