//! The event contract: the messages between the stages, one JSON object per line on stdout.
//!
//! An [`Event`] is an envelope (`v`, `type`, `session`) around a [`Body`]. `docs/events.md`
//! explains the types of this module to users, `schema/*.json` is made from them, and the pipeline
//! tests hold a second, strict copy. Fields are only ever added.
//!
//! Units: times on the session's timeline are seconds (`f64`, six decimals), PTS are 90 kHz ticks,
//! unwrapped (`docs/time.md`); sizes are bytes; wall clocks are RFC 3339 in UTC. Paths are
//! absolute.

mod body;
mod fields;
mod path;
mod relative;
mod stats;

use serde::{Deserialize, Serialize};

#[cfg(feature = "schema")]
pub use body::schemas;
pub use body::{
    Anchor, Audio, Body, Connected, Damage, DeleteReason, Deleted, Detector, Disconnected,
    EndReason, Failure, Frame, Jump, Listening, Metrics, Reason, Scores, Segment, SegmentClosed,
    SegmentDone, SegmentOpen, Sent, SessionDeleted, StreamInfo, Text, TextBox, Transcript,
};
pub use fields::FRAME_FIELDS;
pub use path::{NotUtf8, absolute, clean};
pub use relative::Relative;
pub use stats::{AudioStats, Content, Decoded, PidStats, RecvStats, ScenesStats, Stats};

/// Version of the contract. It changes only if a field has to go or change its meaning.
pub const VERSION: u32 = 1;

/// An event: its session and its contents.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The absolute path of the session's folder; `None` for segments that lie loose.
    pub session: Option<String>,
    /// Contents.
    pub body: Body,
}

/// The envelope as it stands on the line. `type` comes before `session` for the human eye.
#[derive(Serialize)]
struct Wire<'a> {
    v: u32,
    r#type: &'static str,
    session: Option<&'a str>,
    #[serde(flatten)]
    body: &'a Body,
}

/// Fields that are read first, to know how to read the rest.
#[derive(Deserialize)]
struct Head {
    v: u32,
    r#type: String,
    #[serde(default)]
    session: Option<String>,
}

/// Why a line is no event that this version can use.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, not an object, or without `v` and `type`.
    #[error("not an event: {0}")]
    NotAnEvent(serde_json::Error),
    /// An event of a type that is known, with a field missing or of another type.
    #[error("broken `{kind}` event: {error}")]
    Broken {
        /// The event's `type`.
        kind: String,
        /// Error of serde.
        error: serde_json::Error,
    },
    /// An event of a later contract.
    #[error("event of version {0}, this program knows {VERSION}")]
    Version(u32),
}

impl Event {
    /// Returns an event about `session`.
    pub fn new(session: Option<String>, body: impl Into<Body>) -> Self {
        Self { session, body: body.into() }
    }

    /// Reads one line. `Ok(None)` is an event of a type that this version does not know: to be
    /// passed on.
    pub fn parse(line: &[u8]) -> Result<Option<Self>, ParseError> {
        let head: Head = serde_json::from_slice(line).map_err(ParseError::NotAnEvent)?;
        if head.v != VERSION {
            return Err(ParseError::Version(head.v));
        }
        match Body::parse(&head.r#type, line) {
            None => Ok(None),
            Some(Ok(body)) => Ok(Some(Self { session: head.session, body })),
            Some(Err(error)) => Err(ParseError::Broken { kind: head.r#type, error }),
        }
    }

    /// Returns the event as one line with its newline.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        let wire = Wire {
            v: VERSION,
            r#type: self.body.kind(),
            session: self.session.as_deref(),
            body: &self.body,
        };
        // Strings, integers and finite floats only: there is nothing in a body that JSON cannot
        // hold.
        let mut line = serde_json::to_vec(&wire).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Returns the event as a line of a file in its session's folder: with the paths from there on
    /// at its end.
    #[must_use]
    pub fn to_session_line(&self) -> Vec<u8> {
        let mut line = self.to_line();
        let relative = Relative::of(self.session.as_deref(), &self.body);
        append_fields(&mut line, &serde_json::to_vec(&relative).unwrap_or_default());
        line
    }
}

/// Appends the fields of a JSON object to the line of another one.
pub fn append_fields(line: &mut Vec<u8>, object: &[u8]) {
    if let Some(fields) = object.strip_prefix(b"{").filter(|fields| fields.len() > 1) {
        line.truncate(line.len().saturating_sub(b"}\n".len()));
        line.push(b',');
        line.extend_from_slice(fields);
        line.push(b'\n');
    }
}

/// Rounds to the six decimals that numbers in events have.
#[must_use]
pub fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_round_trips() {
        let event = Event::new(Some("/s".into()), Sent { id: "F000001".into(), ..Sent::default() });
        let line = event.to_line();
        assert_eq!(
            String::from_utf8_lossy(&line),
            "{\"v\":1,\"type\":\"sent\",\"session\":\"/s\",\"id\":\"F000001\"}\n"
        );
        assert_eq!(Event::parse(&line).unwrap(), Some(event));
    }

    #[test]
    fn line_in_a_session_has_paths_that_hold_when_it_is_moved() {
        let deleted = |path: &str| {
            let (seq, bytes, reason, at) =
                (1, 9, DeleteReason::Missing, crate::process::clock::wall());
            Event::new(Some("/s".into()), Deleted { seq, path: path.into(), bytes, reason, at })
        };
        let event = deleted("/s/stream/segment_000001.ts");
        let line = event.to_session_line();
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["relative_path"], "stream/segment_000001.ts");
        assert_eq!(value["path"], "/s/stream/segment_000001.ts");
        assert_eq!(Event::parse(&line).unwrap(), Some(event));
        let elsewhere = deleted("/st/1.ts");
        assert_eq!(elsewhere.to_session_line(), elsewhere.to_line());
    }

    #[test]
    fn unknown_fields_and_types_are_tolerated() {
        let line = br#"{"v":1,"type":"sent","id":"F1","by":"x","session":null,"n":[1]}"#;
        assert!(matches!(
            Event::parse(line),
            Ok(Some(Event { session: None, body: Body::Sent(_) }))
        ));
        assert!(matches!(Event::parse(br#"{"v":1,"type":"dream","depth":3}"#), Ok(None)));
    }

    #[test]
    fn line_without_event_is_an_error() {
        assert!(matches!(Event::parse(b"{"), Err(ParseError::NotAnEvent(_))));
        assert!(matches!(Event::parse(b"[1]"), Err(ParseError::NotAnEvent(_))));
        assert!(matches!(Event::parse(br#"{"v":2,"type":"x"}"#), Err(ParseError::Version(2))));
        let error = Event::parse(br#"{"v":1,"type":"sent"}"#).unwrap_err().to_string();
        assert!(error.starts_with("broken `sent` event: missing field `id`"), "{error}");
    }
}
