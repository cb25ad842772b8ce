//! Lines of the journal.

use cht_core::event::{Anchor, Event, Frame, SegmentDone};
use cht_detect::threshold::State;
use serde::{Deserialize, Serialize};

use super::file_id::FileId;
use crate::cli::options::Options;

/// A segment that is done, and how the world looked then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The segment's final path, as in events.
    pub path: String,
    /// Its size, to notice another file of the same name.
    pub bytes: u64,
    /// Which file it is, to know it by another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// Its event, to be emitted again.
    pub done: SegmentDone,
    /// Its place on the timeline.
    pub anchor: Option<Anchor>,
    /// Where the part of it lies that the anchor is of, in bytes: from where its clock has jumped for the last time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from: u64,
    /// The PID that was decoded.
    pub pid: Option<u16>,
    /// How it was coded.
    #[serde(default)]
    pub codec: Option<String>,
    /// By how much its clock is ahead of the recorder's anchors, in ticks: another program may have its own.
    #[serde(default)]
    pub ahead: i64,
    /// The detector behind its last frame.
    pub state: State,
    /// The number of the next frame.
    pub next_id: u64,
    /// The number of the file that holds what the detectors that measure know; that of the segment if absent. Segments of
    /// several recordings may have the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// BLAKE3 of the file that holds what the detectors that measure know; absent where they know nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
    /// The number of the first frame before this line that was chosen because nothing followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional_from: Option<u64>,
}

impl Checkpoint {
    /// Returns one that no later segment goes on from.
    pub(crate) fn alone(done: SegmentDone, bytes: u64, state: State, next_id: u64) -> Self {
        Self {
            path: done.path.clone(),
            bytes,
            file: None,
            done,
            anchor: None,
            from: 0,
            pid: None,
            codec: None,
            ahead: 0,
            state,
            next_id,
            slot: None,
            saved: None,
            provisional_from: None,
        }
    }

    pub(crate) fn slot(&self) -> u64 {
        self.slot.unwrap_or(self.done.seq)
    }
}

/// One line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    Options(Options),
    Frame(Option<String>, Frame),
    Checkpoint(Box<Checkpoint>),
    /// Frames from this number on count no more: they were chosen because nothing followed, and something did.
    TakenBack(u64),
    /// A segment that frames were taken back of is done once more; frames from this number on may again be taken back.
    Again(SegmentDone, Option<u64>),
}

/// What the journal knows about a finished segment.
#[derive(Debug)]
pub(crate) struct Done {
    pub checkpoint: Checkpoint,
    pub frames: Vec<Event>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
