//! One line of the journal. Pure.
//!
//! Lines of cht-index begin with `v` and `type`, and the id of a frame follows its session. So most
//! lines are passed over without reading them as JSON; any other form of a line is read in full.

use cht_core::event::{Body, Event};
use jiff::Timestamp;
use memchr::memmem;
use serde::Deserialize;

/// Type of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Frame,
    Text,
    Transcript,
    Audio,
    Sent,
    /// Of no use here, or damaged.
    Other,
}

/// Returns the type of a line.
pub(crate) fn kind(line: &[u8]) -> Kind {
    let begin: &[u8] = br#"{"v":1,"type":""#;
    let Some(rest) = line.strip_prefix(begin) else { return kind_in_full(line) };
    let end = memchr::memchr(b'"', rest).unwrap_or(rest.len());
    named(&rest[..end])
}

fn named(kind: &[u8]) -> Kind {
    match kind {
        b"frame" => Kind::Frame,
        b"text" => Kind::Text,
        b"transcript" => Kind::Transcript,
        b"audio" => Kind::Audio,
        b"sent" => Kind::Sent,
        _ => Kind::Other,
    }
}

fn kind_in_full(line: &[u8]) -> Kind {
    match Event::parse(line) {
        Ok(Some(event)) => named(event.body.kind().as_bytes()),
        _ => Kind::Other,
    }
}

/// Returns the id of a frame, a text or a mark.
pub(crate) fn id(line: &[u8]) -> Option<String> {
    string(line, br#","id":""#).or_else(|| {
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        serde_json::from_slice::<Id>(line).ok().map(|read| read.id)
    })
}

/// Returns the hash of a frame's picture.
pub(crate) fn hash(line: &[u8]) -> Option<String> {
    string(line, br#","hash":""#).or_else(|| match Event::parse(line) {
        Ok(Some(Event { body: Body::Frame(frame), .. })) => Some(frame.hash),
        _ => None,
    })
}

/// Returns the time of a frame in its session, in seconds.
pub(crate) fn timestamp(line: &[u8]) -> Option<f64> {
    plain(line, br#","timestamp":"#).and_then(|text| text.parse().ok()).or_else(|| {
        match Event::parse(line) {
            Ok(Some(Event { body: Body::Frame(frame), .. })) => Some(frame.timestamp),
            _ => None,
        }
    })
}

/// Returns the wall clock of a frame.
pub(crate) fn wall(line: &[u8]) -> Option<Timestamp> {
    string(line, br#","at":""#)?.parse().ok()
}

/// Returns the number after the first `begin`.
fn plain<'a>(line: &'a [u8], begin: &[u8]) -> Option<&'a str> {
    if !line.starts_with(br#"{"v":1,"type":""#) {
        return None;
    }
    let rest = &line[memmem::find(line, begin)? + begin.len()..];
    let end = rest.iter().position(|byte| matches!(byte, b',' | b'}'))?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// Returns the text after the first `begin`, up to its quotation mark. No string of JSON contains
/// `begin`: its quotation marks would be escaped.
fn string(line: &[u8], begin: &[u8]) -> Option<String> {
    if !line.starts_with(br#"{"v":1,"type":""#) {
        return None;
    }
    let rest = &line[memmem::find(line, begin)? + begin.len()..];
    let text = &rest[..memchr::memchr(b'"', rest)?];
    let plain = !text.contains(&b'\\');
    plain.then(|| std::str::from_utf8(text).ok().map(str::to_owned)).flatten()
}

#[cfg(test)]
mod tests {
    use cht_core::event::{Sent, Text};

    use super::*;

    #[test]
    fn fast_and_full_reading_agree() {
        let session = Some(r#"/a "b"/,"id":"x"#.to_owned());
        let text = Text {
            id: "F000002".to_owned(),
            text: r#","id":"F9""#.to_owned(),
            boxes: Vec::new(),
            language: None,
            confidence: None,
            source: None,
        };
        let sent = Sent { id: r#"F"3"#.to_owned(), ..Sent::default() };
        for (event, expected, name) in [
            (Event::new(session.clone(), text), Kind::Text, "F000002"),
            (Event::new(session, sent), Kind::Sent, r#"F"3"#),
        ] {
            let line = event.to_line();
            let spaced =
                String::from_utf8(line.clone()).unwrap().replace(r#""v":1,"#, r#""v": 1, "#);
            for line in [&line[..line.len() - 1], spaced.trim_end().as_bytes()] {
                assert_eq!((kind(line), id(line).as_deref()), (expected, Some(name)));
            }
        }
    }

    #[test]
    fn damaged_line_is_of_no_kind() {
        for line in ["", "{", r#"{"v":1,"type":"#, r#"{"v":2,"type":"frame"}"#, "\0\0", "[]"] {
            assert_eq!(kind(line.as_bytes()), Kind::Other, "{line:?}");
        }
        assert_eq!(id(b"{\"v\":1,\"type\":\"sent\"}"), None);
    }
}
