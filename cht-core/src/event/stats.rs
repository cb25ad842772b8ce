//! `stats`: how a stage is doing, in numbers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// State of a stage. Its measures are in the object with its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Stats {
    /// The program.
    pub stage: String,
    /// Wall clock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
    /// Seconds since its last `stats`, or since its start: the span of all rates.
    pub interval: f64,
    /// Measures of cht-recv.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recv: Option<RecvStats>,
    /// Measures of cht-scenes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenes: Option<ScenesStats>,
    /// Measures of cht-audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioStats>,
}

/// Measures of cht-recv. Counts begin at its start, over all connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RecvStats {
    /// Whether a sender is connected.
    pub connected: bool,
    /// Number of connections.
    pub connections: u64,
    /// Bits per second received in the interval.
    pub bitrate: u64,
    /// Bytes received.
    pub bytes: u64,
    /// Transport packets among them.
    pub packets: u64,
    /// Gaps in continuity counters, over all PIDs (ISO/IEC 13818-1 §2.4.3.3).
    pub continuity_errors: u64,
    /// The same for each PID that a program table lists or that has a gap; the first 64 of them.
    pub pids: Vec<PidStats>,
    /// Seconds since the last byte; absent before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<f64>,
    /// Segments that got their final name.
    pub segments: u64,
    /// Bytes free for cht-recv on the disk of the sessions; absent if the system does not report
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_disk: Option<u64>,
    /// Events that were left out because the reader of stdout had stalled.
    pub left_out: u64,
}

/// One PID of [`RecvStats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PidStats {
    /// Packet identifier.
    pub pid: u16,
    /// Gaps in its continuity counter.
    pub continuity_errors: u64,
}

/// Measures of cht-scenes. Counts begin at its start, over all segments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ScenesStats {
    /// Frames decoded and looked at.
    pub decoded: u64,
    /// Frames kept.
    pub kept: u64,
    /// Frames that were found and not kept, by the rule that held them back, such as `min_gap`.
    pub suppressed: BTreeMap<String, u64>,
    /// Seconds of stream that have arrived and were not looked at yet; absent if no stream is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<f64>,
    /// Pictures that are decoded at present.
    pub decoding: Decoded,
    /// Frames that were left out so as to catch up.
    pub skipped: u64,
    /// Content of the stream, if a detector asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Seconds on the session's timeline: since when it shows that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_since: Option<f64>,
    /// Frames that were chosen and wait for a picture.
    pub choices_waiting: u64,
    /// Pictures that wait for a detector.
    pub pictures_waiting: u64,
}

/// Measures of cht-audio. Counts begin at its start, over all segments.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AudioStats {
    /// Pieces cut.
    pub pieces: u64,
    /// Pieces without speech among them.
    pub silent: u64,
    /// Seconds of sound in them.
    pub cut: f64,
    /// Seconds of sound that went to the decoder and are in no piece yet; absent if no stream is
    /// live. At most the longest piece, as long as decoding keeps up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<f64>,
}

/// Pictures of a stream that are decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decoded {
    /// Every frame.
    #[default]
    Full,
    /// Keyframes only.
    Keyframes,
}

/// Content of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Film or camera.
    Film,
    /// Slides, text, windows.
    Screen,
}
