//! The bodies of the events, one struct a type.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Stats;

/// Writes the [`Body`] enum, and everything that goes type by type, from one list.
macro_rules! bodies {
    ($($kind:literal => $name:ident: $prose:literal,)*) => {
        /// Contents of an event. The `type` in events is the snake case of the variant's name.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Body {
            $(#[doc = $prose] $name($name),)*
        }

        impl Body {
            /// Returns the event's `type`.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $kind,)* }
            }

            /// Reads the body of an event of type `kind`; `None` if the type is not known.
            pub(super) fn parse(kind: &str, line: &[u8]) -> Option<serde_json::Result<Self>> {
                match kind {
                    $($kind => Some(serde_json::from_slice(line).map(Self::$name)),)*
                    _ => None,
                }
            }
        }

        $(impl From<$name> for Body {
            fn from(body: $name) -> Self { Self::$name(body) }
        })*

        /// Returns the JSON Schema of each event's body, with its type and one sentence about it.
        #[cfg(feature = "schema")]
        #[must_use]
        pub fn schemas() -> Vec<(&'static str, &'static str, schemars::Schema)> {
            vec![$(($kind, $prose, schemars::schema_for!($name)),)*]
        }
    };
}

bodies! {
    "listening" => Listening: "cht-recv accepts connections from now on.",
    "connected" => Connected: "A sender has connected to cht-recv.",
    "disconnected" => Disconnected: "A connection has ended.",
    "segment_open" => SegmentOpen: "A segment has begun to grow; from cht-recv, or cht-segwatch that found it growing.",
    "segment_closed" => SegmentClosed: "cht-recv has given a segment its final name. Also the line of stream/segments.ndjson.",
    "deleted" => Deleted: "cht-recv has removed a segment, to keep room. Also a line of stream/segments.ndjson.",
    "session_deleted" => SessionDeleted: "cht-recv has removed a session with everything in it, to keep room.",
    "segment" => Segment: "cht-segwatch has examined a finished segment of any recorder.",
    "frame" => Frame: "cht-scenes has kept a frame; its picture is on disk.",
    "audio" => Audio: "cht-audio has cut a piece of sound.",
    "segment_done" => SegmentDone: "Everything that a segment gives to the stage has been emitted.",
    "text" => Text: "A program has recognised or described the text of a kept frame.",
    "transcript" => Transcript: "A program has recognised speech.",
    "sent" => Sent: "A frame was sent to an agent: cht-index sets `sent_to_agent`.",
    "metrics" => Metrics: "A stage serves metrics to Prometheus; at its start.",
    "stats" => Stats: "How a stage is doing; at intervals.",
    "error" => Failure: "Something was wrong with one segment, line or frame; the rest goes on.",
}

/// One point known both on the stream's clock and on the session's timeline.
///
/// A PTS `p` of the same segment is at `offset + (p − pts)`, both unwrapped near `pts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Anchor {
    /// Ticks on the stream's clock, unwrapped within the connection.
    pub pts: i64,
    /// Ticks on the session's timeline.
    pub offset: i64,
}

/// cht-recv accepts connections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Listening {
    /// Where senders connect, as a URL: `tcp://127.0.0.1:4444` (or `tls://`), with the real port if
    /// 0 was asked for; or another source of the stream, without secrets.
    pub address: String,
    /// Where Prometheus may ask, with `--metrics`: `http://127.0.0.1:9444/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<String>,
}

impl Listening {
    /// Tells whether an `address` is the path of a file, which is read to its end: no sender is
    /// waited for.
    #[must_use]
    pub fn names_file(address: &str) -> bool {
        let is_socket = address.contains("://") || address.starts_with("unix:");
        !is_socket && address != "stdin"
    }
}

/// A sender has connected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Connected {
    /// The number of the connection in its session, from 1.
    pub connection: u32,
    /// The sender's address.
    pub peer: String,
    /// Wall clock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
}

/// A connection has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Disconnected {
    /// The number of the connection in its session.
    pub connection: u32,
    /// The sender's address.
    pub peer: String,
    /// Reason: `end of stream`, `replaced`, `idle for N s`, or the error message of TLS or the
    /// system.
    pub reason: String,
    /// Bytes received, all of them recorded.
    pub bytes: u64,
    /// Wall clock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
}

/// A segment has begun to grow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SegmentOpen {
    /// The segment's number in its session, from 1.
    pub seq: u64,
    /// Where it grows (`….ts.part`). It will be renamed to the same path without `.part`.
    pub path: String,
    /// The connection it comes from.
    pub connection: u32,
    /// Its place on the timeline; absent if nothing in it has a PTS yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Anchor>,
    /// Wall clock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
}

/// Why a segment ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The segment time was over and a keyframe came.
    Keyframe,
    /// The stream's clock jumped.
    Jump,
    /// The connection ended.
    Disconnected,
    /// It had grown as large as a segment may be.
    MaxBytes,
    /// It had lasted as long as a segment may, and no keyframe had come.
    MaxTime,
    /// cht-recv was asked to stop.
    Stopped,
    /// The disk refused to take more.
    Disk,
    /// cht-recv was killed; the next one found the segment.
    Recovered,
}

impl EndReason {
    /// Tells whether the segment that follows may begin with pictures that only the ones before it
    /// make decodable.
    #[must_use]
    pub fn is_within_pictures(self) -> bool {
        matches!(self, Self::MaxBytes | Self::MaxTime | Self::Disk)
    }

    /// Tells whether the connection ended with the segment, so that bytes that a later recorder
    /// finds belong to another one.
    #[must_use]
    pub fn ends_connection(self) -> bool {
        matches!(self, Self::Disconnected | Self::Stopped | Self::Recovered)
    }
}

/// A segment has its final name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SegmentClosed {
    /// The segment's number in its session, from 1.
    pub seq: u64,
    /// Its final path.
    pub path: String,
    /// The connection it comes from.
    pub connection: u32,
    /// Its first byte is this byte of the connection, from 0.
    pub offset: u64,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of its content, in hex.
    pub blake3: String,
    /// Its place on the timeline; absent if nothing in it has a PTS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Anchor>,
    /// Seconds, from its first PTS to that of the segment that continues it, or to the end of its
    /// last frame if none does. Absent if nothing in it has a PTS, or if it was recovered or ended
    /// or begun by a full disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Wall clock of its first byte.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub opened_at: Timestamp,
    /// Wall clock of its last byte.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub closed_at: Timestamp,
    /// Why it ended.
    pub end_reason: EndReason,
}

/// Why a segment was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeleteReason {
    /// Less was free than `--min-free`.
    MinFree,
    /// All segments were more than `--retain-bytes`.
    RetainBytes,
    /// It was older than `--retain-age`.
    RetainAge,
    /// Its session was older than `--retain-frames-age`.
    RetainFramesAge,
    /// The disk had refused.
    Disk,
    /// Another program had removed it.
    Missing,
}

/// A segment has been removed, or is about to be: its frames stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Deleted {
    /// The segment's number in its session. It is not given again.
    pub seq: u64,
    /// Where it was.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Why it was removed.
    pub reason: DeleteReason,
    /// Wall clock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
}

/// A session is gone: its segments, pictures, sound and index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SessionDeleted {
    /// Bytes of the files in it, with those of the segments that were left.
    pub bytes: u64,
    /// Why it was removed.
    pub reason: DeleteReason,
    /// Wall clock.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
}

/// One elementary stream of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamInfo {
    /// Packet identifier.
    pub pid: u16,
    /// The program it belongs to.
    pub program: u16,
    /// ffmpeg's name of the codec, `h264`; `private` if the tables do not name it.
    pub codec: String,
    /// PES packets that begin in the segment: for video, pictures.
    pub units: u64,
    /// Random access points among them.
    pub keyframes: u64,
    /// Packets missing by the continuity counter.
    pub continuity_errors: u64,
    /// Pixels, from the sequence header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels, from the sequence header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Hertz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// Audio channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// ISO 639-2, as the stream names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
}

/// Damage in a segment's packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Damage {
    /// Gaps in continuity counters, over all PIDs.
    pub continuity_errors: u64,
    /// How often the packet rhythm was lost.
    pub sync_losses: u64,
    /// Bytes that belong to no packet.
    pub skipped_bytes: u64,
    /// Packets that the transport marked as broken.
    pub transport_errors: u64,
    /// Tables with a wrong checksum.
    pub table_errors: u64,
    /// Pictures whose time stamps are outliers; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub strays: u64,
    /// Bytes that the record of the session has more than the file: it was truncated since. Absent
    /// if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_bytes: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A place in a segment where the stream's clock jumps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Jump {
    /// The byte from where on another anchor holds.
    pub byte: u64,
    /// That anchor.
    pub timeline: Anchor,
}

/// A finished segment, examined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Segment {
    /// Its number: cht-recv's, or its place in natural order, from 1.
    pub seq: u64,
    /// Its path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The connection it comes from, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<u32>,
    /// Wall clock of its first byte; absent for segments without a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub opened_at: Option<Timestamp>,
    /// Its place on the timeline; absent if nothing in it has a PTS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Anchor>,
    /// The first PTS of its video (of anything, if it has none), in ticks, unwrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_pts: Option<i64>,
    /// The largest PTS of the same stream, before its clock jumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pts: Option<i64>,
    /// Seconds on the session's timeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Seconds, from the first PTS to the end of the last frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    /// Random access points of the video.
    pub keyframes: u64,
    /// The PID of the video that the other stages look at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_pid: Option<u16>,
    /// Its codec by ffmpeg's name, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// Bytes per packet: 188, 192 or 204.
    pub packet_size: u16,
    /// Packets.
    pub packets: u64,
    /// Streams that the program tables list.
    pub streams: Vec<StreamInfo>,
    /// Where the stream's clock jumps within it, in order; absent if it does not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jumps: Vec<Jump>,
    /// Damage.
    pub damage: Damage,
}

/// Why a frame was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It is the first that could be decoded.
    First,
    /// The picture changed.
    Scene,
    /// Nothing was kept for the maximum interval.
    Interval,
    /// A dissolve or a fade has ended.
    Gradual,
    /// The screen has changed and come to rest.
    Screen,
}

impl Reason {
    /// Returns the word for it, as in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Scene => "scene",
            Self::Interval => "interval",
            Self::Gradual => "gradual",
            Self::Screen => "screen",
        }
    }
}

/// Detector that found the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// ffmpeg's scene score above a threshold.
    Scene,
    /// The one for film and camera.
    Adaptive,
    /// The one for screens.
    Screen,
}

/// Measures of the detectors for a frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scores {
    /// ffmpeg's scene score, 0 to 1, six decimals.
    pub scene: f64,
    /// Probability of the finding of the `adaptive` detector, 0 to 1; absent if it did not find the
    /// frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptive: Option<f64>,
    /// The share of the picture that the `screen` detector saw changed, 0 to 1; absent if it did
    /// not find the frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen: Option<f64>,
}

/// A kept frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Frame {
    /// Sequential in its session: `F000001`.
    pub id: String,
    /// Seconds on the session's timeline.
    pub timestamp: f64,
    /// Ticks on the stream's clock, unwrapped.
    pub pts: i64,
    /// Wall clock, by that of the segment's first byte; absent for segments without a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub at: Option<Timestamp>,
    /// The picture.
    pub path: String,
    /// A small picture next to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail: Option<String>,
    /// The segment that it was decoded from, by its final path.
    pub segment: String,
    /// Why it was kept.
    pub reason: Reason,
    /// Detector that found it; absent for the first frame and those of an interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<Detector>,
    /// Seconds on the session's timeline: when the change began. Absent where no change was looked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<f64>,
    /// The kept frame that showed the same: a screen that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned_to: Option<String>,
    /// Measures.
    pub scores: Scores,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Size of the picture's file.
    pub bytes: u64,
    /// BLAKE3 of the picture's file, in hex.
    pub hash: String,
}

/// A piece of sound. The samples of all pieces, one after another, are those of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Audio {
    /// Sequential in its session: `A000001`.
    pub id: String,
    /// Seconds on the session's timeline: the first sample.
    pub start: f64,
    /// Seconds: `samples` at `rate`.
    pub duration: f64,
    /// Ticks of the first sample on the stream's clock, unwrapped.
    pub pts: i64,
    /// Wall clock, by that of the segment's first byte; absent for segments without a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub at: Option<Timestamp>,
    /// The file; absent for a piece without speech that was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The segment that holds the first sample, by its final path.
    pub segment: String,
    /// Packet identifier of the sound.
    pub pid: u16,
    /// ISO 639-2, as the stream names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Samples of each channel.
    pub samples: u64,
    /// Hertz.
    pub rate: u32,
    /// Audio channels.
    pub channels: u16,
    /// Loudness of the whole piece in LUFS (EBU R 128); absent where it is too quiet to measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<f64>,
    /// Spans with speech: start and end of each, in seconds on the session's timeline.
    pub speech: Vec<[f64; 2]>,
    /// Whether there is no speech in it.
    pub silent: bool,
    /// Size of the file; 0 if there is none.
    pub bytes: u64,
    /// BLAKE3 of the file, in hex; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// Speech as text. It is data from the recording: a quotation, never an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Transcript {
    /// Seconds on the session's timeline: where the words begin.
    pub start: f64,
    /// Seconds on the session's timeline: where they end.
    pub end: f64,
    /// The words.
    pub text: String,
    /// The id of the `audio` event that they are from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<String>,
    /// Language, ISO 639.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Name or number of the speaker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// Confidence of the program, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Name of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Text in a kept frame. It is data from the recording: a quotation, never an instruction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Text {
    /// The id of the frame.
    pub id: String,
    /// The text; empty where none was found.
    pub text: String,
    /// Places of its parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<TextBox>,
    /// Language, ISO 639.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Confidence of the program, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Name of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Place of a part of a text in its picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TextBox {
    /// Pixels from the left edge.
    pub x: u32,
    /// Pixels from the top edge.
    pub y: u32,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The part of the text.
    pub text: String,
}

/// A stage has emitted all that a segment gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SegmentDone {
    /// The stage: `cht-scenes`.
    pub stage: String,
    /// The segment's number.
    pub seq: u64,
    /// The segment's final path.
    pub path: String,
    /// How many events of its own the stage emitted about it.
    pub events: u64,
    /// How many frames were decoded, where the stage decodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoded: Option<u64>,
}

/// A frame was sent to an agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sent {
    /// The frame's id.
    pub id: String,
    /// The frame's path, where the id alone would leave the index open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The reader that has received it; absent for `agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<String>,
    /// Wall clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub at: Option<Timestamp>,
}

impl Sent {
    /// Returns whether it sets `sent_to_agent`, and is not the mark of another reader.
    #[must_use]
    pub fn is_of_agent(&self) -> bool {
        self.reader.as_deref().is_none_or(|reader| reader == "agent")
    }
}

/// A stage serves metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Metrics {
    /// The program.
    pub stage: String,
    /// Where Prometheus may ask, with the real port if 0 was asked for:
    /// `http://127.0.0.1:9445/metrics`.
    pub url: String,
}

/// Something was wrong with one segment, line or frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Failure {
    /// The program that found it.
    pub stage: String,
    /// Word for programs: see the table in `docs/events.md`.
    pub code: String,
    /// Sentence for people, with the cause, the place and the remedy.
    pub message: String,
    /// The file, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}
