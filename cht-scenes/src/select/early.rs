//! Looks ahead while a live stream pauses: announces a picture at rest before the next picture
//! comes.
//!
//! It decides nothing. A second scene detector, with the state of the first one, lets the time of
//! the pause pass, and its selections are announced, with their pictures on disk. When the next
//! picture comes, or none will, the first detector decides on the same time, and its selections
//! were announced already. The journal holds the first detector's selections alone: a late picture
//! that contradicts the pause takes an announced frame back, and the next frame gets its number.

use anyhow::Result;
use cht_detect::Selection;

use super::{detectors::Detectors, segment_queue::SegmentQueue, writer::FrameWriter};
use crate::decode::{frame::Picture, pause::Pause};

/// Holds detectors ahead of the last frame.
#[derive(Debug)]
pub(crate) struct Lookahead(Box<Detectors>);

impl Lookahead {
    /// Creates a lookahead from the state of `detectors`.
    pub(crate) fn of(detectors: &Detectors) -> Self {
        Self(Box::new(detectors.ahead()))
    }

    /// Announces pictures that are at rest in a pause after the frame at `at`.
    pub(crate) fn wait(
        &mut self,
        (at, pause): (i64, Pause),
        detectors: &mut Detectors,
        queue: &SegmentQueue,
        writer: &mut FrameWriter,
    ) -> Result<()> {
        self.0.decider.wait(at.saturating_add(pause.lasts));
        while let Some((selection, shown)) = self.0.decider.next_choice() {
            let at = shown.at();
            let lent = detectors.decider.borrow(at).flatten();
            let is_lent = lent.is_some();
            // A picture that cannot be fetched is reported when it is selected.
            let Some((at, picture)) =
                lent.map(|picture| (at, picture)).or_else(|| writer.fetch(queue, at))
            else {
                continue;
            };
            let announced = self.announce(&selection, at, &picture, queue, writer);
            if is_lent {
                detectors.decider.preroll(at, Some(Some(picture)));
            }
            announced?;
        }
        Ok(())
    }

    fn announce(
        &mut self,
        selection: &Selection,
        at: i64,
        picture: &Picture,
        queue: &SegmentQueue,
        writer: &mut FrameWriter,
    ) -> Result<()> {
        let Some(part) = queue.parts_of(at).next() else { return Ok(()) };
        let found = self.0.keep(selection, at, picture);
        writer.announce(part, at, &found, picture)
    }
}
