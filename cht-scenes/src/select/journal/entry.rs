//! Defines the lines of the journal.

use cht_core::event::{Anchor, Event, Frame, SegmentDone};
use cht_detect::threshold::State;
use serde::{Deserialize, Serialize};

use super::file_id::FileId;
use crate::cli::options::Options;

/// Describes a done segment, and the state of the selection at its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Final path of the segment, as in events.
    pub path: String,
    /// Size in bytes, to notice another file of the same name.
    pub bytes: u64,
    /// Identity of the file, to recognize it by another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileId>,
    /// Event of the segment, to emit it again.
    pub done: SegmentDone,
    /// Anchor on the timeline.
    pub anchor: Option<Anchor>,
    /// Start of the part that the anchor belongs to, in bytes: the last jump of its clock.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub from: u64,
    /// PID that was decoded.
    pub pid: Option<u16>,
    /// Codec of the video.
    #[serde(default)]
    pub codec: Option<String>,
    /// Difference of its clock from the recorder's anchors, in ticks: another program may have its
    /// own clock.
    #[serde(default)]
    pub ahead: i64,
    /// State of the threshold rule after its last frame.
    pub state: State,
    /// Number of the next frame.
    pub next_id: u64,
    /// Number of the file that holds the state of the measuring detectors; that of the segment if
    /// absent. Segments of several recordings may have the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<u64>,
    /// BLAKE3 of the file that holds the state of the measuring detectors; absent if they have
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved: Option<String>,
    /// Number of the first frame before this line that was selected because the input ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional_from: Option<u64>,
}

impl Checkpoint {
    /// Returns a checkpoint that no later segment goes on from.
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

/// Holds one line of the journal.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    Options(Options),
    Frame(Option<String>, Frame),
    Checkpoint(Box<Checkpoint>),
    /// Frames from this number on count no more: they were selected because the input ended, and it
    /// went on.
    TakenBack(u64),
    /// A segment that lost frames is done once more; frames from this number on may again be taken
    /// back.
    Again(SegmentDone, Option<u64>),
}

/// Holds the journal's lines about a done segment.
#[derive(Debug)]
pub(crate) struct Done {
    pub checkpoint: Checkpoint,
    pub frames: Vec<Event>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
