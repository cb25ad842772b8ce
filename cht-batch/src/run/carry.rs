//! Marks, text and speech of an older result, carried over to the one that replaces it.
//!
//! A frame is the same if it shows the same picture of the recording: the same segment, at the same
//! time stamp. What other programs have found out about it, and whether an agent has seen it, then
//! holds for the new one as well.

use std::{
    collections::HashMap,
    io::{self, BufReader},
    path::Path,
};

use cht_core::{
    event::{Body, Event, FRAME_FIELDS, Frame, Sent, Text, Transcript, append_fields},
    ndjson::{Line, Lines},
    storage::regular,
};
use serde_json::{Map, Value};

/// Place of a picture in the recording: name of the segment, and PTS.
type Place = (String, i64);

/// Additions of other programs to one frame.
#[derive(Debug, Default, Clone, PartialEq)]
struct Additions {
    /// Marks, one for each reader.
    marks: Vec<Sent>,
    texts: Vec<Text>,
    fields: Map<String, Value>,
}

impl Additions {
    /// Adds a mark, unless its reader has set one.
    fn mark(&mut self, mark: Sent) {
        if !self.marks.iter().any(|known| known.reader == mark.reader) {
            self.marks.push(mark);
        }
    }
}

/// Additions of other programs to an older result.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    frames: HashMap<Place, Additions>,
    transcripts: Vec<Transcript>,
}

impl Carried {
    /// Reads the journal of an older index; nothing if there is none. `has_same_sound`: pieces of
    /// sound have the same ids in the new result.
    pub(crate) fn read(journal: &Path, has_same_sound: bool) -> io::Result<Self> {
        let file = match regular::open(journal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let mut carried = Self::default();
        let mut places: HashMap<String, Place> = HashMap::new();
        for line in Lines::new(BufReader::new(file)) {
            let Line::Event { raw, event: Some(event) } = line? else { continue };
            match event.body {
                Body::Frame(frame) => {
                    let place = place_of(&frame);
                    // A mark belongs to a picture: another one under this id has none.
                    let known = places.insert(frame.id.clone(), place.clone());
                    if known.is_some_and(|known| known != place) {
                        carried.frames.remove(&place);
                    }
                    carried.frames.entry(place).or_default().fields.extend(foreign(&raw));
                }
                Body::Sent(sent) => {
                    if let Some(place) = places.get(&sent.id) {
                        carried.frames.entry(place.clone()).or_default().mark(sent);
                    }
                }
                Body::Text(text) => {
                    if let Some(place) = places.get(&text.id) {
                        carried.frames.entry(place.clone()).or_default().texts.push(text);
                    }
                }
                Body::Transcript(mut transcript) => {
                    transcript.audio = transcript.audio.filter(|_| has_same_sound);
                    carried.transcripts.push(transcript);
                }
                _ => {}
            }
        }
        carried.frames.retain(|_, additions| *additions != Additions::default());
        Ok(carried)
    }

    /// Returns the lines of a frame: the event, and the additions to the older one.
    pub(crate) fn lines_of(&self, session: Option<&str>, frame: Frame) -> Vec<u8> {
        let (id, additions) = (frame.id.clone(), self.frames.get(&place_of(&frame)));
        let event = |body: Body| Event::new(session.map(str::to_owned), body);
        let mut lines = event(frame.into()).to_line();
        let Some(Additions { marks, texts, fields }) = additions else { return lines };
        if !fields.is_empty() {
            append_fields(&mut lines, &serde_json::to_vec(fields).unwrap_or_default());
        }
        for text in texts {
            lines.extend(event(Text { id: id.clone(), ..text.clone() }.into()).to_line());
        }
        for mark in marks {
            // The path is that of the older picture.
            let mark = Sent { id: id.clone(), path: None, ..mark.clone() };
            lines.extend(event(mark.into()).to_line());
        }
        lines
    }

    /// Returns the lines of speech.
    pub(crate) fn speech(&self, session: &str) -> Vec<u8> {
        let session = || Some(session.to_owned());
        let line = |transcript: &Transcript| Event::new(session(), transcript.clone()).to_line();
        self.transcripts.iter().flat_map(line).collect()
    }
}

fn place_of(frame: &Frame) -> Place {
    // The recording may have been moved since.
    let name = frame.segment.rsplit('/').next().unwrap_or_default();
    (name.to_owned(), frame.pts)
}

/// Returns the fields that other programs have added to a frame.
fn foreign(line: &[u8]) -> Map<String, Value> {
    let mut fields: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
    fields.retain(|name, _| !FRAME_FIELDS.contains(&&**name));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the line of a frame.
    fn frame(id: &str, pts: i64, more: &str) -> String {
        format!(
            r#"{{"v":1,"type":"frame","session":"/o","id":"{id}","timestamp":1.0,"pts":{pts},"path":"/o/{id}.jpg","segment":"/in/1.ts","reason":"scene","scores":{{"scene":0.5}},"width":2,"height":2,"bytes":1,"hash":""{more}}}"#
        )
    }

    #[test]
    fn mark_text_and_fields_follow_the_picture_to_its_new_id() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.ndjson");
        let lines = [
            frame("F000001", 10, ""),
            frame("F000002", 20, r#","label":"x""#),
            r#"{"v":1,"type":"sent","session":null,"id":"F000002"}"#.to_owned(),
            r#"{"v":1,"type":"sent","session":null,"id":"F000001","reader":"notes"}"#.to_owned(),
            r#"{"v":1,"type":"sent","session":null,"id":"F000001","reader":"notes"}"#.to_owned(),
            r#"{"v":1,"type":"text","session":null,"id":"F000002","text":"hello"}"#.to_owned(),
            r#"{"v":1,"type":"transcript","session":null,"start":1,"end":2,"text":"hi","audio":"A000001"}"#.to_owned(),
        ];
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let carried = Carried::read(&path, false).unwrap();
        let lines = |id: &str, pts| {
            let event = Event::parse(frame(id, pts, "").as_bytes()).unwrap().unwrap();
            let Body::Frame(frame) = event.body else { panic!("a frame") };
            String::from_utf8(carried.lines_of(Some("/n"), frame)).unwrap()
        };
        let found = lines("F000001", 10);
        assert_eq!(found.lines().count(), 2, "one mark for each reader: {found}");
        assert!(found.ends_with("\"id\":\"F000001\",\"reader\":\"notes\"}\n"), "{found}");
        let found = lines("F000007", 20);
        let found: Vec<_> = found.lines().collect();
        assert!(found[0].ends_with(r#","label":"x"}"#), "{found:?}");
        assert!(found[1].contains(r#""id":"F000007","text":"hello""#), "{found:?}");
        assert!(found[2].contains(r#""type":"sent","session":"/n","id":"F000007""#), "{found:?}");
        assert_eq!(lines("F000008", 30).lines().count(), 1);
        let speech = String::from_utf8(carried.speech("/n")).unwrap();
        assert!(speech.contains("\"hi\"") && !speech.contains("A000001"), "{speech}");
    }
}
