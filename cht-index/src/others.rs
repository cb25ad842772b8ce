//! Events that are no frames: text, speech and sound. The journal has each of them once, however
//! often a stage that was started again repeats it. This module touches no file.

use std::collections::{BTreeMap, HashSet};

use cht_core::event::{Body, Event, Transcript};
use serde::{Deserialize, de::IgnoredAny};

use crate::{fields::Fields, frames::Span};

/// Fields that say where a session is and not what the event says: they change when it is moved.
const PLACES: [&[u8]; 6] =
    [b"v", b"session", b"path", b"segment", b"relative_path", b"relative_segment"];

/// Contents of an event, to tell whether two are the same.
type Key = [u8; 16];

/// The events, by their place in the journal.
#[derive(Debug, Default)]
pub(crate) struct Others {
    known: HashSet<Key>,
    /// Texts of frames, in the order of arrival.
    pub text: Vec<Span>,
    /// The newest line of each piece of sound, by its id: those with more digits last.
    pub audio: BTreeMap<(usize, Box<str>), Span>,
    /// Pieces of speech, in the order of arrival.
    pub transcript: Vec<Speech>,
}

/// A piece of speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speech {
    /// Milliseconds on the session's timeline.
    pub start: u64,
    pub line: Span,
}

/// A line of the journal that is one of these events.
#[derive(Debug)]
pub(crate) struct OtherLine<'a> {
    line: &'a [u8],
    kind: Kind<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Kind<'a> {
    Text,
    /// With its id, as text of JSON.
    Audio(&'a [u8]),
    /// With its beginning, in seconds.
    Transcript(f64),
}

impl<'a> OtherLine<'a> {
    /// Reads a line as [`line_of`] makes it; `None` for any other line.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Start {
            start: f64,
        }
        let is = |kind: &str| line.starts_with(begin(kind).as_bytes());
        let kind = if is("text") {
            serde_json::from_slice::<IgnoredAny>(line).ok()?;
            Kind::Text
        } else if is("transcript") {
            Kind::Transcript(serde_json::from_slice::<Start>(line).ok()?.start)
        } else if is("audio") {
            serde_json::from_slice::<IgnoredAny>(line).ok()?;
            Kind::Audio(Fields::of(line).find(|field| field.name == b"id")?.value)
        } else {
            return None;
        };
        Some(Self { line, kind })
    }

    fn key(&self) -> Key {
        let mut hash = blake3::Hasher::new();
        for field in Fields::of(self.line).filter(|field| !PLACES.contains(&field.name)) {
            hash.update(field.name).update(b":").update(field.value).update(b",");
        }
        let hash = hash.finalize();
        let (key, _) = hash.as_bytes().split_at(size_of::<Key>());
        key.try_into().unwrap_or_default()
    }
}

impl Others {
    /// Adds an event at `span`. Returns whether it is new.
    pub(crate) fn add(&mut self, other: &OtherLine<'_>, span: Span) -> bool {
        if !self.known.insert(other.key()) {
            return false;
        }
        match other.kind {
            Kind::Text => self.text.push(span),
            Kind::Transcript(start) => {
                self.transcript.push(Speech { start: milliseconds(start), line: span });
            }
            Kind::Audio(id) => {
                let id: Box<str> = String::from_utf8_lossy(id).trim_matches('"').into();
                self.audio.insert((id.len(), id), span);
            }
        }
        true
    }
}

/// Returns seconds of the timeline as milliseconds, as subtitles have them.
pub(crate) fn milliseconds(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

/// Returns the beginning of a line of the journal.
fn begin(kind: &str) -> String {
    format!(r#"{{"v":1,"type":"{kind}","session":"#)
}

/// Returns an event as a line of the journal: `v`, `type`, `session` and `id` first, then the
/// fields of `raw`, its line in the pipe, as they stand there; and for files of the session their
/// paths from its folder on.
pub(crate) fn line_of(event: &Event, raw: &[u8]) -> Vec<u8> {
    let usual = event.to_session_line();
    let mut line = begin(event.body.kind()).into_bytes();
    line.extend(serde_json::to_vec(&event.session).unwrap_or_default());
    let mut add = |name: &[u8], value: &[u8]| {
        line.extend(b",\"");
        line.extend(name);
        line.extend(b"\":");
        line.extend(value);
    };
    let fields = || Fields::of(raw).filter(|it| !matches!(it.name, b"v" | b"type" | b"session"));
    for field in fields().filter(|field| field.name == b"id") {
        add(field.name, field.value);
    }
    for field in fields().filter(|field| field.name != b"id") {
        add(field.name, field.value);
    }
    for field in Fields::of(&usual).filter(|field| field.name.starts_with(b"relative_")) {
        if fields().all(|known| known.name != field.name) {
            add(field.name, field.value);
        }
    }
    line.extend(b"}\n");
    line
}

/// Returns the speech on a line of the journal.
pub(crate) fn speech(line: &[u8]) -> Option<Transcript> {
    match Event::parse(line) {
        Ok(Some(Event { body: Body::Transcript(transcript), .. })) => Some(transcript),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { offset: 0, length: 1 };

    fn stored(raw: &str) -> String {
        let event = Event::parse(raw.as_bytes()).unwrap().unwrap();
        let line = line_of(&event, raw.as_bytes());
        assert_eq!(Event::parse(&line).unwrap().unwrap(), event);
        String::from_utf8(line).unwrap().trim_end().to_owned()
    }

    #[test]
    fn line_keeps_fields_of_others_as_they_stand() {
        let raw = r#"{"text":"a\u0041", "v":1, "boxes":[{"x":1,"y":1,"width":1,"height":1,"text":"a","sure":0.50}],"type": "text" ,"mood":"x","id":"F000001"}"#;
        let expected = r#"{"v":1,"type":"text","session":null,"id":"F000001","text":"a\u0041","boxes":[{"x":1,"y":1,"width":1,"height":1,"text":"a","sure":0.50}],"mood":"x"}"#;
        assert_eq!(stored(raw), expected);
    }

    #[test]
    fn event_is_known_again_also_after_its_session_was_moved() {
        let audio = |session: &str, id: &str| {
            stored(&format!(
                r#"{{"v":1,"type":"audio","session":"{session}","id":"{id}","start":0.5,"duration":1.0,"pts":1,"path":"{session}/audio/{id}.wav","segment":"{session}/stream/segment_000001.ts","pid":257,"samples":16000,"rate":16000,"channels":1,"speech":[],"silent":true,"bytes":1,"hash":"00"}}"#
            ))
        };
        let line = audio("/old", "A000001");
        assert!(line.ends_with(r#""relative_path":"audio/A000001.wav","relative_segment":"stream/segment_000001.ts"}"#), "{line}");
        let mut others = Others::default();
        let mut add = |line: &str| others.add(&OtherLine::parse(line.as_bytes()).unwrap(), SPAN);
        assert!(add(&line) && !add(&line));
        assert!(!add(&audio("/new", "A000001")), "moved");
        assert!(add(&audio("/new", "A1000000")) && add(&audio("/new", "A000002")));
        let ids: Vec<_> = others.audio.keys().map(|(_, id)| &**id).collect();
        assert_eq!(ids, ["A000001", "A000002", "A1000000"]);
    }

    #[test]
    fn damaged_line_is_no_event() {
        for line in [
            r#"{"v":1,"type":"text","session":null,"id":"#,
            r#"{"v":1,"type":"transcript","session":null,"text":"x"}"#,
            r#"{"v":1,"type":"audio","session":null}"#,
            r#"{"v":1,"type":"frame","session":null}"#,
        ] {
            assert!(OtherLine::parse(line.as_bytes()).is_none(), "{line}");
        }
    }
}
