//! Looking ahead while a live stream pauses: what has come to rest is announced before the next picture comes.
//!
//! Nothing is decided here. A second decider, which knows what the first one knows, lets the time of the pause pass, and its
//! choices are announced, with their pictures on disk. When the next picture comes, or none will, the first one decides on the
//! same time, and what it chooses was announced already. The journal holds what it chooses alone: a picture that was
//! late and contradicts the pause takes an announced frame back, whose number the next one has.

use std::collections::VecDeque;

use anyhow::Result;
use cht_core::event::{Event, Frame};
use cht_detect::{Revisits, SceneDetector, Selection, Shown};
use cht_ts::time::seconds;

use super::detectors::Candidate;
use super::{
    selector::FrameSelector,
    types::{Found, Segment},
    writer::holding,
};
use crate::decode::{filter::tick_of, frame::Picture, mode::Decode, pause::Pause};

/// What is chosen ahead of the next frame.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    decides: Option<Box<(SceneDetector<Candidate>, Revisits)>>,
    /// Frames that were announced and are not kept yet, oldest first.
    frames: Vec<Frame>,
}

impl Ahead {
    /// A frame is kept; whether it was announced. One that was not takes the others back.
    pub(crate) fn confirm(&mut self, frame: &Frame) -> bool {
        let is_announced = self.frames.first() == Some(frame);
        // Those that came after it are of numbers that follow.
        self.frames.drain(..if is_announced { 1 } else { self.frames.len() });
        is_announced
    }
}

impl FrameSelector {
    /// Announces what has come to rest in a pause, if all that was fed before it has been looked at.
    pub(crate) fn look_ahead(
        &mut self,
        segments: &VecDeque<Segment>,
        reference: Option<i64>,
        pause: Pause,
    ) -> Result<()> {
        let (Some(at), Some(first)) = (reference, segments.front()) else { return Ok(()) };
        let is_last = tick_of(first.part.source.anchor, at, pause.pts as i64) == at;
        let Some(measured) = self.measured.as_ref().filter(|measured| {
            is_last && measured.decider.last() == Some(at) && self.decode == Decode::Full
        }) else {
            return Ok(());
        };
        let decides = self.ahead.decides.get_or_insert_with(|| Box::new(measured.ahead()));
        decides.0.wait(at.saturating_add(pause.lasts));
        while let Some((choice, shown)) =
            self.ahead.decides.as_mut().and_then(|decides| decides.0.next_choice())
        {
            self.announce(segments, &choice, &shown)?;
        }
        Ok(())
    }

    /// Writes the picture of a choice, and announces it.
    fn announce(
        &mut self,
        segments: &VecDeque<Segment>,
        choice: &Selection,
        shown: &Shown<Candidate>,
    ) -> Result<()> {
        let at = shown.at();
        let lent = self.measured.as_mut().and_then(|measured| measured.decider.borrow(at)?);
        match lent {
            Some(picture) => {
                let announced = self.announce_picture(segments, choice, at, &picture);
                if let Some(measured) = &mut self.measured {
                    measured.decider.run_up(at, Some(Some(picture)));
                }
                announced
            }
            // What cannot be fetched is said when it is chosen.
            None => match self.fetch(segments, at) {
                Some((at, picture)) => self.announce_picture(segments, choice, at, &picture),
                None => Ok(()),
            },
        }
    }

    fn announce_picture(
        &mut self,
        segments: &VecDeque<Segment>,
        choice: &Selection,
        at: i64,
        picture: &Picture,
    ) -> Result<()> {
        let part = segments[holding(segments, at)].part.clone();
        let score = self.measured.as_ref().map_or(0.0, |measured| measured.decider.score(at));
        let returned = self.ahead.decides.as_mut().and_then(|decides| {
            let hidden = decides.0.hidden();
            let changed = decides.0.take_small();
            decides.1.keep(&picture.small(), &hidden, changed)
        });
        let found = Found::of(choice, at, score, returned);
        let anchor = part.source.anchor;
        let time = (seconds(at), anchor.pts + (at - anchor.offset));
        let others = std::mem::take(&mut self.ahead.frames);
        let described = self.frame(&part, time, &found, picture, &others);
        self.ahead.frames = others;
        let (frame, file) = described?;
        if let Some(file) = file
            && !self.store.announce(&frame, &file.bytes, file.thumbnail.as_deref())?
        {
            return Ok(());
        }
        self.emit(&Event::new(self.session.clone(), frame.clone()))?;
        self.ahead.frames.push(frame);
        Ok(())
    }
}
