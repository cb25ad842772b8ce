//! Second, strict definition of the events on the wire.
//!
//! `cht-core` reads tolerantly, so it cannot notice a field that was renamed, added or lost in its
//! own types. These types refuse unknown fields. A new field of an event is added here, to
//! `docs/events.md` and to the golden lines in `cht-core/tests/events/`.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Event.
#[derive(Debug, Clone, PartialEq)]
pub struct Wire {
    /// Absolute path of the session's folder.
    pub session: Option<String>,
    /// Fields of its type.
    pub body: Body,
}

macro_rules! wire {
    ($($(#[$attribute:meta])* $kind:literal $name:ident { $($field:ident: $type:ty,)* })*) => {
        /// Fields of an event, by its type.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Body {
            $(#[doc = concat!("`", $kind, "`")] $name($name),)*
        }

        impl Wire {
            /// Returns the event's `type`.
            pub fn kind(&self) -> &'static str {
                match self.body { $(Body::$name(_) => $kind,)* }
            }
        }

        fn body(kind: &str, fields: Map<String, Value>) -> Result<Body, String> {
            match kind {
                $($kind => strict(kind, fields).map(Body::$name),)*
                _ => Err(format!("unknown type `{kind}`")),
            }
        }

        $(wire!(@struct $name { $($field: $type,)* });)*
    };
    (@struct $name:ident { $($field:ident: $type:ty,)* }) => {
        #[doc = concat!("Fields of `", stringify!($name), "`.")]
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "explained in docs/events.md")]
        pub struct $name { $(pub $field: $type,)* }
    };
}

wire! {
    "listening" Listening { address: String, metrics: Option<String>, }
    "connected" Connected { connection: u32, peer: String, at: Time, }
    "disconnected" Disconnected {
        connection: u32, peer: String, reason: String, bytes: u64, at: Time,
    }
    "segment_open" SegmentOpen {
        seq: u64, path: Absolute, connection: u32, timeline: Option<Anchor>, at: Time,
    }
    "segment_closed" SegmentClosed {
        seq: u64, path: Absolute, connection: u32, offset: u64, bytes: u64, blake3: Hash,
        timeline: Option<Anchor>, duration: Option<f64>, opened_at: Time, closed_at: Time, end_reason: EndReason,
    }
    "deleted" Deleted {
        seq: u64, path: Absolute, bytes: u64, reason: DeleteReason, at: Time,
    }
    "session_deleted" SessionDeleted {
        bytes: u64, reason: DeleteReason, at: Time,
    }
    "segment" Segment {
        seq: u64, path: Absolute, bytes: u64, connection: Option<u32>, opened_at: Option<Time>, timeline: Option<Anchor>,
        first_pts: Option<i64>, last_pts: Option<i64>, start: Option<f64>, duration: Option<f64>,
        keyframes: u64, video_pid: Option<u16>, video_codec: Option<String>,
        packet_size: u16, packets: u64,
        streams: Vec<StreamInfo>, jumps: Option<Vec<Jump>>, damage: Damage,
    }
    "frame" Frame {
        id: Id, timestamp: f64, pts: i64, at: Option<Time>, path: Absolute, thumbnail: Option<Absolute>,
        segment: Absolute, reason: Reason, detector: Option<Detector>, change: Option<f64>, returned_to: Option<String>, scores: Scores, width: u32,
        height: u32, bytes: u64, hash: Hash,
    }
    "audio" Audio {
        id: AudioId, start: f64, duration: f64, pts: i64, at: Option<Time>, path: Option<Absolute>, segment: Absolute, pid: u16,
        language: Option<String>, samples: u64, rate: u32, channels: u16, loudness: Option<f64>,
        speech: Vec<[f64; 2]>, silent: bool, bytes: u64, hash: Option<Hash>,
    }
    "transcript" Transcript {
        start: f64, end: f64, text: String, audio: Option<AudioId>, language: Option<String>,
        speaker: Option<String>, confidence: Option<f64>, source: Option<String>,
    }
    "text" Text {
        id: Id, text: String, boxes: Option<Vec<TextBox>>, language: Option<String>,
        confidence: Option<f64>, source: Option<String>,
    }
    "segment_done" SegmentDone {
        stage: String, seq: u64, path: Absolute, events: u64, decoded: Option<u64>,
    }
    "sent" Sent { id: Id, path: Option<Absolute>, reader: Option<String>, at: Option<Time>, }
    "metrics" Metrics { stage: String, url: String, }
    "stats" Stats {
        stage: String, at: Time, interval: f64, recv: Option<RecvStats>, scenes: Option<ScenesStats>,
        audio: Option<AudioStats>,
    }
    "error" Failure { stage: String, code: String, message: String, path: Option<String>, }
}

wire!(@struct Anchor { pts: i64, offset: i64, });
wire!(@struct Scores { scene: f64, adaptive: Option<f64>, screen: Option<f64>, });
wire!(@struct Damage {
    continuity_errors: u64, sync_losses: u64, skipped_bytes: u64, transport_errors: u64,
    table_errors: u64, strays: Option<u64>, missing_bytes: Option<u64>,
});
wire!(@struct TextBox { x: u32, y: u32, width: u32, height: u32, text: String, });
wire!(@struct Jump { byte: u64, timeline: Anchor, });
wire!(@struct StreamInfo {
    pid: u16, program: u16, codec: String, units: u64, keyframes: u64, continuity_errors: u64,
    width: Option<u32>, height: Option<u32>, sample_rate: Option<u32>, channels: Option<u8>,
    language: Option<String>,
});
wire!(@struct RecvStats {
    connected: bool, connections: u64, bitrate: u64, bytes: u64, packets: u64, continuity_errors: u64,
    pids: Vec<PidStats>, idle: Option<f64>, segments: u64, free_disk: Option<u64>, left_out: u64,
});
wire!(@struct PidStats { pid: u16, continuity_errors: u64, });
wire!(@struct AudioStats { pieces: u64, silent: u64, cut: f64, lag: Option<f64>, });
wire!(@struct ScenesStats {
    decoded: u64, kept: u64, suppressed: BTreeMap<String, u64>, lag: Option<f64>, decoding: Decoded,
    skipped: u64, content: Option<Content>, content_since: Option<f64>, choices_waiting: u64,
    pictures_waiting: u64,
});

/// Frames of a stream that are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "explained in docs/events.md")]
pub enum Decoded {
    Full,
    Keyframes,
}

/// Content of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "explained in docs/events.md")]
pub enum Content {
    Film,
    Screen,
}

/// Why a segment ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "explained in docs/events.md")]
pub enum EndReason {
    Keyframe,
    Jump,
    Disconnected,
    MaxBytes,
    MaxTime,
    Stopped,
    Disk,
    Recovered,
}

/// Why a segment was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "explained in docs/events.md")]
pub enum DeleteReason {
    MinFree,
    RetainBytes,
    RetainAge,
    RetainFramesAge,
    Disk,
    Missing,
}

/// Why a frame was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "explained in docs/events.md")]
pub enum Reason {
    First,
    Scene,
    Interval,
    Gradual,
    Screen,
}

/// Detector that selected a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "explained in docs/events.md")]
pub enum Detector {
    Scene,
    Adaptive,
    Screen,
}

/// Defines a string of a certain form.
macro_rules! form {
    ($name:ident, $prose:literal, $check:expr) => {
        #[doc = $prose]
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, String> {
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(format!(concat!("{:?}: must be ", $prose), text))
                }
            }
        }

        impl std::ops::Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
    };
}

form!(Absolute, "an absolute path", |text| text.starts_with('/'));
form!(Time, "RFC 3339 in UTC", |text| text.len() >= 20
    && text.as_bytes()[10] == b'T'
    && text.ends_with('Z'));
form!(Hash, "64 hexadecimal digits", |text| text.len() == 64
    && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
form!(Id, "F and at least six digits", |text| is_numbered(text, 'F'));
form!(AudioId, "A and at least six digits", |text| is_numbered(text, 'A'));

fn is_numbered(text: &str, letter: char) -> bool {
    let is_number = |digits: &str| digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix(letter).is_some_and(is_number)
}

/// Parses a line, with or without its newline.
///
/// # Errors
///
/// Returns an error for anything but an event of version 1 with exactly the fields known here.
pub fn parse(line: &str) -> Result<Wire, String> {
    parse_without(line, |_| false)
}

/// Parses a line in a file of a session, which has relative paths as well.
///
/// # Errors
///
/// Returns the errors of [`parse`].
pub fn parse_stored(line: &str) -> Result<Wire, String> {
    parse_without(line, |field| field.starts_with("relative_"))
}

/// Parses a line, leaving out some fields.
fn parse_without(line: &str, is_left_out: fn(&str) -> bool) -> Result<Wire, String> {
    let line = line.strip_suffix('\n').unwrap_or(line);
    let named = |error: String| format!("{error} in: {line}");
    if !line.starts_with(r#"{"v":1,"type":""#) {
        return Err(named("does not begin with v and type".into()));
    }
    let mut fields: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| named(error.to_string()))?;
    fields.remove("v");
    fields.retain(|field, _| !is_left_out(field));
    let kind = match fields.remove("type") {
        Some(Value::String(kind)) => kind,
        other => return Err(named(format!("`type` is {other:?}"))),
    };
    let session = match fields.remove("session") {
        Some(Value::Null) => None,
        Some(Value::String(session)) if session.starts_with('/') => Some(session),
        other => return Err(named(format!("`session` is {other:?}"))),
    };
    let body = body(&kind, fields).map_err(named)?;
    Ok(Wire { session, body })
}

fn strict<T: DeserializeOwned>(kind: &str, fields: Map<String, Value>) -> Result<T, String> {
    // An unknown value is written as an absent field, never as `null`.
    if let Some((name, _)) = fields.iter().find(|(_, value)| value.is_null()) {
        return Err(format!("`{kind}`: `{name}` is null"));
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| format!("`{kind}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_field_or_type_is_refused() {
        let line = r#"{"v":1,"type":"sent","session":null,"id":"F000001"}"#;
        assert_eq!(parse(line).unwrap().kind(), "sent");
        for wrong in [
            r#"{"v":2,"type":"sent","session":null,"id":"F000001"}"#,
            r#"{"v":1,"type":"sent","id":"F000001"}"#,
            r#"{"v":1,"type":"sent","session":null,"id":"F1"}"#,
            r#"{"v":1,"type":"sent","session":null,"id":"F000001","by":"me"}"#,
            r#"{"v":1,"type":"sent","session":null,"id":"F000001","path":null}"#,
            r#"{"v":1,"type":"dream","session":null}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
