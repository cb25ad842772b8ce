//! Takes back frames that were selected because the input ended, when the video goes on. They are
//! selected anew under the same numbers.
//!
//! These frames lie before the checkpoints of the last segments, whose `provisional_from` is the
//! number of the first such frame.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cht_core::{
    event::{self, Body, Event, Frame, SegmentDone},
    session::{Moved, is_same_folder},
};

use super::{
    Checkpoint, Entry, FrameJournal,
    known::{Known, Late, key, number_of},
};

impl Known {
    /// Sets the last checkpoint.
    pub(crate) fn set_last(&mut self, checkpoint: &Checkpoint) {
        let from = checkpoint.provisional_from;
        self.set_aside(checkpoint);
        self.before = self.last.replace(checkpoint.clone());
        self.unsure.retain(|unsure| from.is_some() && unsure.provisional_from == from);
        if from.is_some() {
            self.unsure.push(checkpoint.clone());
        }
    }

    /// Notes that a segment is done once more, and adds the frames selected since.
    pub(crate) fn finish_again(
        &mut self,
        event: &SegmentDone,
        from: Option<u64>,
        frames: Vec<Event>,
    ) {
        let by_name = self.by_name;
        let key_of_event = key(&event.path, by_name);
        let is_it = |unsure: &Checkpoint| key(&unsure.path, by_name) == key_of_event;
        for unsure in self.unsure.iter_mut().filter(|unsure| is_it(unsure)) {
            (unsure.done, unsure.provisional_from) = (event.clone(), from);
        }
        self.unsure.retain(|unsure| !is_it(unsure) || from.is_some());
        if let Some(last) = &mut self.last {
            last.provisional_from = from;
        }
        if let Some(done) = self.done.get_mut(key_of_event) {
            done.checkpoint.done = event.clone();
            done.frames.extend(frames);
        }
    }

    /// Updates the paths of a session's segments, and those that frames name, to `stream`, where
    /// the session lies now.
    pub(crate) fn move_to(&mut self, stream: &Path) -> Result<()> {
        let mut moved = Moved::to(stream.parent().unwrap_or(stream))?;
        for event in self.done.values_mut().flat_map(|done| &mut done.frames) {
            if let Event { session, body: Body::Frame(frame) } = event {
                moved.mend(session, frame);
            }
        }
        let done = self.done.values_mut().map(|done| &mut done.checkpoint);
        let last = self.last.iter_mut().chain(&mut self.before).chain(&mut self.unsure);
        let last = last.chain(&mut self.others);
        for checkpoint in last.chain(done) {
            let key = key(&checkpoint.path, self.by_name);
            if key != checkpoint.path {
                checkpoint.path = event::absolute(&stream.join(key))?;
                checkpoint.done.path.clone_from(&checkpoint.path);
            }
        }
        Ok(())
    }

    /// Updates the paths of earlier frames' pictures to `folder`, where their folder lies now.
    pub(crate) fn move_pictures(&mut self, folder: &Path) {
        let frames = self.done.values_mut().flat_map(|done| &mut done.frames);
        let frames = frames.filter_map(|event| match &mut event.body {
            Body::Frame(frame) => Some(frame),
            _ => None,
        });
        // All files of a moved folder moved; a folder with several names keeps the name that it
        // had.
        let mut known: Option<(PathBuf, bool)> = None;
        for frame in frames.chain(&mut self.recent) {
            for path in [Some(&mut frame.path), frame.thumbnail.as_mut()].into_iter().flatten() {
                let Some((old, name)) = Path::new(path).parent().zip(Path::new(path).file_name())
                else {
                    continue;
                };
                if known.as_ref().is_none_or(|(known, _)| known != old) {
                    known = Some((old.to_owned(), !is_same_folder(old, folder)));
                }
                if known.as_ref().is_some_and(|(_, has_moved)| *has_moved)
                    && let Ok(moved) = event::absolute(&folder.join(name))
                {
                    *path = moved;
                }
            }
        }
    }

    /// Forgets the frames from number `from` on.
    pub(crate) fn forget_from(&mut self, from: u64) {
        for unsure in &mut self.unsure {
            let of_it = |frame: &&Frame| {
                number_of(&frame.id) >= Some(from)
                    && key(&frame.segment, self.by_name) == key(&unsure.path, self.by_name)
            };
            let gone = self.recent.iter().filter(of_it).count() as u64;
            unsure.done.events = unsure.done.events.saturating_sub(gone);
            unsure.provisional_from = None;
            if let Some(done) = self.done.get_mut(key(&unsure.path, self.by_name)) {
                done.frames.retain(|event| number(event) < Some(from));
                done.checkpoint.done = unsure.done.clone();
            }
        }
        if let Some(last) = &mut self.last {
            last.provisional_from = None;
        }
        self.recent.retain(|frame| number_of(&frame.id) < Some(from));
        self.next_id = from;
    }
}

impl FrameJournal {
    /// Returns the number of the first frame that may be taken back.
    pub(crate) fn provisional(&self) -> Option<u64> {
        self.last()?.provisional_from
    }

    /// Returns the last segments, where frames may be taken back, or were.
    pub(crate) fn unsure(&self) -> &[Checkpoint] {
        &self.known.unsure
    }

    /// Returns whether frames of the segment at `path` may be taken back, or were.
    pub(crate) fn is_unsure(&self, path: &str) -> bool {
        let by_name = self.by_name();
        self.unsure().iter().any(|unsure| key(&unsure.path, by_name) == key(path, by_name))
    }

    /// Goes on from the last checkpoint: takes back frames that were selected because the input
    /// ended, and notes that frames which its state does not include will be selected again.
    pub(crate) fn go_on(&mut self) -> Result<()> {
        if let Some(from) = self.provisional() {
            self.append(&Entry::TakenBack(from))?;
            self.known.forget_from(from);
        }
        let known = &mut self.known;
        let next = known.last.as_ref().map(|last| last.next_id);
        let later = known.recent.iter().filter(|frame| number_of(&frame.id) >= next);
        known.late.retain(|late| late.segment.is_some());
        known.late.extend(later.map(|frame| Late { pts: frame.pts, segment: None }));
        Ok(())
    }

    /// Writes to the journal that a segment is done once more, now that the following one is known.
    pub(crate) fn done_again(
        &mut self,
        done: &SegmentDone,
        provisional_from: Option<u64>,
    ) -> Result<()> {
        self.append(&Entry::Again(done.clone(), provisional_from))?;
        self.known.finish_again(done, provisional_from, Vec::new());
        Ok(())
    }
}

/// Returns the number in the id of a frame.
pub(crate) fn number(event: &Event) -> Option<u64> {
    let Body::Frame(frame) = &event.body else { return None };
    number_of(&frame.id)
}
