//! Keeps several recordings in one folder of frames apart: each goes on from its own last segment,
//! even if others came in between.

use std::path::Path;

use cht_core::{
    event::Frame,
    session::{Position, natural_sort::series},
};

use super::{
    Checkpoint, FrameJournal,
    known::{Known, Late, key, number_of},
};

/// Number of recordings that are remembered in addition to the last one. Each has a state of about
/// 1 MB.
const MOST: usize = 32;

impl Known {
    /// Remembers the last checkpoint as that of its recording, if `next` belongs to another one. In
    /// a session, the segment log tells the order.
    pub(crate) fn set_aside(&mut self, next: &Checkpoint) {
        if self.by_name {
            return;
        }
        self.others.retain(|other| !is_of_one(other, next));
        if let Some(last) = self.last.as_ref().filter(|last| !is_of_one(last, next)) {
            if self.others.len() == MOST {
                self.others.remove(0);
            }
            self.others.push(last.clone());
        }
    }

    /// Returns the numbers of the states that a later run may go on from.
    pub(crate) fn slots(&self) -> Vec<u64> {
        let checkpoints = self.last.iter().chain(&self.before).chain(&self.others);
        checkpoints.map(Checkpoint::slot).collect()
    }
}

impl FrameJournal {
    /// Returns the last segment of the recording that goes on at `next`, if another recording came
    /// after it.
    pub(crate) fn recording(&self, next: &Position<'_>) -> Option<&Checkpoint> {
        let leads = |other: &&Checkpoint| {
            other.anchor.is_some_and(|anchor| Position { path: &other.path, anchor }.leads_to(next))
        };
        self.known.others.iter().rfind(leads)
    }

    /// Goes on from the last segment of a recording. Returns the state of the detectors there, if
    /// it exists. Frames that were selected because the input ended stay, and are not kept again.
    pub(crate) fn go_on_from(&mut self, other: &Checkpoint) -> Option<Vec<u8>> {
        let by_name = self.by_name();
        let segment = key(&other.path, by_name);
        let is_of_it = |frame: &&Frame| {
            key(&frame.segment, by_name) == segment
                && number_of(&frame.id) >= Some(other.provisional_from.unwrap_or(other.next_id))
        };
        let late = self.known.recent.iter().filter(is_of_it);
        let late = late.map(|frame| Late { pts: frame.pts, segment: Some(segment.to_owned()) });
        let late: Vec<_> = late.collect();
        self.known.late.extend(late);
        self.state_of(other).ok().flatten()
    }
}

/// Returns whether two segments belong to one recording: in the same folder and series of names,
/// and on the same timeline.
fn is_of_one(one: &Checkpoint, other: &Checkpoint) -> bool {
    let anchors = one.anchor.zip(other.anchor);
    let [path, other] = [&one.path, &other.path].map(Path::new);
    path.parent() == other.parent()
        && series(path) == series(other)
        && anchors.is_some_and(|(one, other)| one.continues(&other))
}
