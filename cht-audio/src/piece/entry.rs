//! Lines of the journal `audio.ndjson`.

use cht_core::{
    event::{Anchor, Audio},
    timeline::WallClock,
};
use serde::{Deserialize, Serialize};

use crate::{options::Options, select::Sound};

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// First line.
    Options(Options),
    /// A piece whose file is on disk.
    Piece(Box<Written>),
    /// A segment whose pieces were all written.
    Done(Box<Source>),
}

/// A piece, and where it was taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub session: Option<String>,
    pub audio: Audio,
    /// Key of the segment with its first sample.
    pub key: String,
    /// How a restart comes to its first sample.
    pub begin: Resume,
    /// How one comes to the sample after it; absent where the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Resume>,
    /// Whether it ends because the input ended: it is cut again when the sound continues.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_open: bool,
}

/// Place in a segment where a decoder begins, and the number of samples after it until a piece.
///
/// Decoders fill bands with noise that depends on all frames before, so only one that begins at the
/// same place gives the same samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resume {
    pub at: Place,
    /// Samples of each channel, at the rate of the stream.
    pub skip: u64,
}

/// Place in a segment where a decoder begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Key of the segment.
    pub key: String,
    /// First byte.
    pub byte: u64,
    /// PTS of the first PES packet, unwrapped.
    pub pts: i64,
    /// The sound before this PTS belongs to the decoder before; absent for the first one of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
}

/// A segment, or its last part, on one line of time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// Name of the file in the folder of a session, path of a loose file.
    pub key: String,
    pub seq: u64,
    pub path: String,
    /// Size of the file; 0 while it grows.
    pub bytes: u64,
    pub connection: Option<u32>,
    /// Absent for a segment without time stamps.
    pub anchor: Option<Anchor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_clock: Option<WallClock>,
    /// Absent for a segment without sound.
    pub sound: Option<Sound>,
    /// First byte of the part at this anchor.
    #[serde(default)]
    pub from: u64,
}
