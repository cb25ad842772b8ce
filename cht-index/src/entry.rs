//! One frame of the index: its line in the journal, its element in `index.json`, and the fields
//! that other programs add to it. Pure, but for the look whether a session was moved.

use std::{fmt, path::Path};

use cht_core::{
    event::{Detector, Event, FRAME_FIELDS, Frame, Reason, Scores, append_fields},
    session::Moved,
};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use crate::{
    fields::{Field, Fields},
    frames::Kept,
};

/// Largest size of the fields that other programs add to one frame, in bytes of JSON.
const LARGEST_EXTRA: usize = 64 << 10;

/// Fields of a frame that name files, with those that name them from the session's folder on.
const PATHS: [(&[u8], &[u8]); 3] = [
    (b"path", b"relative_path"),
    (b"thumbnail", b"relative_thumbnail"),
    (b"segment", b"relative_segment"),
];

/// Beginning of a frame's line, as cht-index and cht-scenes write it.
const FRAME: &[u8] = br#"{"v":1,"type":"frame","#;

/// A frame of the journal.
#[derive(Debug)]
pub(crate) struct Entry {
    pub session: Option<String>,
    pub frame: Frame,
    /// Fields that other programs added.
    pub extra: Map<String, Value>,
}

impl Entry {
    /// Reads the line of a frame.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let Ok(Some(Event { session, body: cht_core::event::Body::Frame(frame) })) =
            Event::parse(line)
        else {
            return None;
        };
        Some(Self { session, frame, extra: extra(line).unwrap_or_default() })
    }

    /// Returns its line in the journal: the event, followed by the fields of other programs.
    pub(crate) fn into_line(self) -> Vec<u8> {
        let mut line = Event::new(self.session, self.frame).to_session_line();
        if !self.extra.is_empty() {
            append_fields(&mut line, &serde_json::to_vec(&self.extra).unwrap_or_default());
        }
        line
    }

    /// Adds fields of other programs. Returns whether anything changed. Fails if they are too
    /// large.
    pub(crate) fn merge(&mut self, fields: Map<String, Value>) -> Result<bool, TooLarge> {
        let is_new = |(name, value): &(String, Value)| self.extra.get(name) != Some(value);
        let new: Vec<_> = fields.into_iter().filter(is_new).collect();
        if new.is_empty() {
            return Ok(false);
        }
        let mut extra = self.extra.clone();
        extra.extend(new);
        if size(&extra) > LARGEST_EXTRA {
            return Err(TooLarge(self.frame.id.clone()));
        }
        self.extra = extra;
        Ok(true)
    }
}

fn size(fields: &Map<String, Value>) -> usize {
    serde_json::to_vec(fields).map_or(usize::MAX, |text| text.len())
}

/// Fields of other programs that are too large to keep.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: fields that others added are not kept: together larger than {LARGEST_EXTRA} bytes")]
pub(crate) struct TooLarge(pub String);

/// A frame's line, read without copying its text: a journal is read as a whole when it is opened.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "a line with a field missing or of another type is no frame")]
pub(crate) struct FrameLine<'a> {
    session: Option<&'a str>,
    id: &'a str,
    timestamp: f64,
    pts: i64,
    at: Option<&'a str>,
    path: &'a str,
    thumbnail: Option<&'a str>,
    segment: &'a str,
    reason: Reason,
    detector: Option<Detector>,
    change: Option<f64>,
    returned_to: Option<&'a str>,
    scores: Scores,
    width: u32,
    height: u32,
    bytes: u64,
    hash: &'a str,
}

impl<'a> FrameLine<'a> {
    /// Reads a line that is as cht-index and cht-scenes write it; `None` for any other line, which
    /// may be a frame nevertheless: with an escape in a path, for example.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        line.starts_with(FRAME).then(|| serde_json::from_slice(line).ok())?
    }

    /// Returns what the index keeps of it in memory.
    pub(crate) fn kept<'b>(&'b self, moved: Option<&'b mut Moved>) -> Kept<'b> {
        let Self { session, id, timestamp, segment, hash, .. } = self;
        let timeline = timeline(*session, segment, moved);
        Kept { id, timeline, timestamp: *timestamp, hash }
    }
}

impl Entry {
    /// Returns what the index keeps of it in memory.
    pub(crate) fn kept<'a>(&'a self, moved: Option<&'a mut Moved>) -> Kept<'a> {
        let Frame { id, timestamp, segment, hash, .. } = &self.frame;
        let timeline = timeline(self.session.as_deref(), segment, moved);
        Kept { id, timeline, timestamp: *timestamp, hash }
    }
}

/// Returns the name of the timeline that a frame is on: its session, or the folder of its segment.
fn timeline<'a>(
    session: Option<&'a str>,
    segment: &'a str,
    moved: Option<&'a mut Moved>,
) -> &'a str {
    match session {
        Some(session) => moved.and_then(|moved| moved.present(session)).unwrap_or(session),
        None => Path::new(segment).parent().and_then(Path::to_str).unwrap_or_default(),
    }
}

/// Appends the element of a frame to `json`: four fields for agents, then the fields of its line as
/// they stand there, with the paths of a session that was moved.
pub(crate) fn write_element(
    line: &[u8],
    sent_to_agent: bool,
    moved: Option<&mut Moved>,
    json: &mut Vec<u8>,
) {
    let fields: Vec<Field<'_>> = Fields::of(line).collect();
    let value = |name: &[u8]| fields.iter().find(|field| field.name == name).map(|it| it.value);
    let session = value(b"session").and_then(inside);
    let new = session.and_then(|session| renamed(session, moved?));
    let paths = Paths { session, new: new.as_deref() };
    for (name, before) in [("id", "{\"id\":"), ("timestamp", ",\"timestamp\":")] {
        json.extend(before.as_bytes());
        json.extend(value(name.as_bytes()).unwrap_or(b"null"));
    }
    json.extend(b",\"path\":");
    paths.write(value(b"path").unwrap_or(b"null"), json);
    json.extend(
        if sent_to_agent { ",\"sent_to_agent\":true" } else { ",\"sent_to_agent\":false" }
            .as_bytes(),
    );
    for Field { name, value } in &fields {
        if matches!(*name, b"v" | b"type" | b"id" | b"timestamp" | b"path" | b"sent_to_agent") {
            continue;
        }
        write_name(name, json);
        match *name {
            b"session" => paths.write_session(value, json),
            b"thumbnail" | b"segment" => paths.write(value, json),
            _ => json.extend(*value),
        }
    }
    // Journals of early versions have none.
    for (name, relative) in PATHS {
        let path = value(name).filter(|_| value(relative).is_none());
        if let Some(rest) = path.and_then(|path| paths.within(path)) {
            write_name(relative, json);
            json.push(b'"');
            json.extend(rest);
        }
    }
    json.push(b'}');
}

/// Appends an event as an object to `json`: the fields of its line but `v` and `type`, with the
/// paths of a session that was moved.
pub(crate) fn write_event(line: &[u8], moved: Option<&mut Moved>, json: &mut Vec<u8>) {
    let fields = || Fields::of(line);
    let session = fields().find(|field| field.name == b"session");
    let session = session.and_then(|field| inside(field.value));
    let new = session.and_then(|session| renamed(session, moved?));
    let paths = Paths { session, new: new.as_deref() };
    let begin = json.len();
    for Field { name, value } in fields().filter(|it| !matches!(it.name, b"v" | b"type")) {
        write_name(name, json);
        match name {
            b"session" => paths.write_session(value, json),
            b"path" | b"segment" => paths.write(value, json),
            _ => json.extend(value),
        }
    }
    match json.get_mut(begin) {
        Some(comma) => *comma = b'{',
        None => json.push(b'{'),
    }
    json.push(b'}');
}

fn write_name(name: &[u8], json: &mut Vec<u8>) {
    json.extend(b",\"");
    json.extend(name);
    json.extend(b"\":");
}

/// Returns the text of a string between its quotes, escaped as it is.
fn inside(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Returns the present folder of a session that was moved, as text of JSON between its quotes.
fn renamed(session: &[u8], moved: &mut Moved) -> Option<Vec<u8>> {
    let name: String = serde_json::from_slice(&[b"\"", session, b"\""].concat()).ok()?;
    let text = serde_json::to_vec(moved.present(&name)?).ok()?;
    inside(&text).map(<[u8]>::to_vec)
}

/// Paths of one line, as text of JSON.
struct Paths<'a> {
    /// Folder of the session when the line was written.
    session: Option<&'a [u8]>,
    /// Its folder now, if it was moved.
    new: Option<&'a [u8]>,
}

impl Paths<'_> {
    /// Returns the rest of a path after the session's folder, with the quote at its end.
    fn within<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        path.strip_prefix(b"\"")?.strip_prefix(self.session?)?.strip_prefix(b"/")
    }

    /// Appends a path as it is now.
    fn write(&self, path: &[u8], json: &mut Vec<u8>) {
        match self.new.zip(self.within(path)) {
            Some((new, rest)) => {
                json.push(b'"');
                json.extend(new);
                json.push(b'/');
                json.extend(rest);
            }
            None => json.extend(path),
        }
    }

    /// Appends the session as it is now.
    fn write_session(&self, session: &[u8], json: &mut Vec<u8>) {
        match self.new {
            Some(new) => {
                json.push(b'"');
                json.extend(new);
                json.push(b'"');
            }
            None => json.extend(session),
        }
    }
}

/// The index's part of an object that other programs may have written.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub id: Option<Value>,
    pub sent_to_agent: Option<Value>,
    pub hash: Option<Value>,
    /// Fields of other programs.
    pub extra: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementFields;
        impl<'de> Visitor<'de> for ElementFields {
            type Value = Element;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Element, A::Error> {
                let mut element = Element::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "id" => element.id = Some(map.next_value()?),
                        "sent_to_agent" => element.sent_to_agent = Some(map.next_value()?),
                        "hash" => element.hash = Some(map.next_value()?),
                        known if FRAME_FIELDS.contains(&known) => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        _ => {
                            element.extra.insert(name, map.next_value()?);
                        }
                    }
                }
                Ok(element)
            }
        }
        deserializer.deserialize_map(ElementFields)
    }
}

/// Returns the fields that other programs added to the event on `line`. An error names one that
/// cannot be kept.
pub(crate) fn extra(line: &[u8]) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_slice(line).map(|element: Element| element.extra)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"v":1,"type":"frame","session":null,"id":"F000001","timestamp":1.5,"pts":1,"path":"/f/F000001.jpg","segment":"/s/a.ts","reason":"scene","scores":{"scene":0.5},"width":1,"height":1,"bytes":1,"hash":"0","note":{"by":"me"},"none":null}"#;

    fn element(line: &str, sent_to_agent: bool, moved: Option<&mut Moved>) -> Value {
        let mut json = Vec::new();
        write_element(line.as_bytes(), sent_to_agent, moved, &mut json);
        serde_json::from_slice(&json).unwrap()
    }

    #[test]
    fn added_fields_survive_journal_and_index() {
        let entry = Entry::parse(LINE.as_bytes()).unwrap();
        assert_eq!(entry.extra.len(), 2);
        let (frame, extra) = (entry.frame.clone(), entry.extra.clone());
        let line = String::from_utf8(entry.into_line()).unwrap();
        let again = Entry::parse(line.as_bytes()).unwrap();
        assert_eq!((again.frame, again.extra), (frame, extra));
        let json = element(&line, true, None);
        assert_eq!((&json["note"]["by"], &json["none"]), (&"me".into(), &Value::Null));
        assert_eq!(json["sent_to_agent"], true);
        assert!(json["v"].is_null() && json["type"].is_null());
    }

    #[test]
    fn element_begins_with_four_fields_and_has_those_of_its_line() {
        let mut json = Vec::new();
        write_element(LINE.as_bytes(), false, None, &mut json);
        let json = String::from_utf8(json).unwrap();
        let begin = r#"{"id":"F000001","timestamp":1.5,"path":"/f/F000001.jpg","sent_to_agent":false,"session":null,"pts":1,"#;
        assert!(json.starts_with(begin), "{json}");
        let mut expected: Value = serde_json::from_str(LINE).unwrap();
        let fields = expected.as_object_mut().unwrap();
        fields.retain(|name, _| name != "v" && name != "type");
        fields.insert("sent_to_agent".into(), false.into());
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), expected);
    }

    #[test]
    fn element_of_moved_session_names_files_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("new \"call\"");
        std::fs::create_dir(&root).unwrap();
        let line = LINE
            .replace(r#""session":null"#, r#""session":"/old \"1\"""#)
            .replace("/f/F000001", r#"/old \"1\"/frames/F000001"#)
            .replace("/s/a.ts", r#"/old \"1\"x/stream/a.ts"#);
        let mut moved = Moved::to(&root).unwrap();
        let json = element(&line, false, Some(&mut moved));
        assert_eq!(json["session"], root.to_str().unwrap());
        assert_eq!(json["path"], root.join("frames/F000001.jpg").to_str().unwrap());
        assert_eq!(json["relative_path"], "frames/F000001.jpg");
        assert_eq!(json["segment"], "/old \"1\"x/stream/a.ts", "not in the session");
        assert!(json["relative_segment"].is_null());
        let unmoved = element(&line, false, None);
        assert_eq!(unmoved["path"], "/old \"1\"/frames/F000001.jpg");
    }

    #[test]
    fn line_of_journal_is_frame_as_event_is() {
        let mut fields: Map<String, Value> = serde_json::from_str(LINE).unwrap();
        fields.retain(|name, _| name != "v" && name != "type");
        let changes = [None, Some(Value::Null), Some(Value::Bool(true))];
        for (name, value) in fields.keys().flat_map(|name| changes.clone().map(|it| (name, it))) {
            let mut changed = fields.clone();
            changed.remove(name);
            changed.extend(value.map(|value| (name.clone(), value)));
            let rest = serde_json::to_string(&changed).unwrap();
            let line = [FRAME, &rest.as_bytes()[1..]].concat();
            let is_frame = Event::parse(&line).is_ok();
            assert_eq!(FrameLine::parse(&line).is_some(), is_frame, "{name}: {rest}");
        }
        assert!(FrameLine::parse(b"{\"v\":1,\"type\":\"sent\",\"id\":\"F1\"}").is_none());
    }

    #[test]
    fn added_fields_are_bounded() {
        let mut entry = Entry::parse(LINE.as_bytes()).unwrap();
        let large = Value::from("x".repeat(LARGEST_EXTRA));
        let fields = Map::from_iter([("large".to_owned(), large)]);
        assert_eq!(entry.merge(fields), Err(TooLarge("F000001".to_owned())));
        assert_eq!(entry.extra.len(), 2, "as before");
    }

    #[test]
    fn merge_tells_whether_anything_is_new() {
        let mut entry = Entry::parse(LINE.as_bytes()).unwrap();
        let fields = |text| serde_json::from_str::<Map<_, _>>(text).unwrap();
        assert_eq!(entry.merge(fields(r#"{"note":{"by":"me"}}"#)), Ok(false));
        assert_eq!(entry.merge(fields(r#"{"note":1,"more":2}"#)), Ok(true));
        assert_eq!((&entry.extra["note"], &entry.extra["more"]), (&1.into(), &2.into()));
    }
}
