//! One frame of the index: its element in `index.json`, and the fields that other programs add to
//! it. Pure.

use std::{cmp::Ordering, fmt, path::Path};

use cht_core::{
    event::{Detector, Event, Frame, Reason, Relative, Scores, append_fields},
    session::natural_sort,
};
use jiff::Timestamp;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// Largest size of the fields that other programs add to one frame, in bytes of JSON.
const LARGEST_EXTRA: usize = 64 << 10;

/// Fields of a `frame` event and of an element of `index.json`. All others belong to other
/// programs.
const KNOWN: [&str; 23] = [
    "v",
    "type",
    "session",
    "id",
    "timestamp",
    "pts",
    "at",
    "path",
    "relative_path",
    "thumbnail",
    "relative_thumbnail",
    "segment",
    "relative_segment",
    "reason",
    "detector",
    "change",
    "returned_to",
    "scores",
    "width",
    "height",
    "bytes",
    "hash",
    "sent_to_agent",
];

/// A frame in the index.
#[derive(Debug)]
pub(crate) struct Item {
    pub session: Option<String>,
    pub frame: Frame,
    /// Fields that other programs added; most frames have none.
    pub extra: Option<Box<Map<String, Value>>>,
}

/// One element of `index.json`: four fields for agents, then the event's, then those of other
/// programs.
#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    timestamp: f64,
    path: &'a str,
    sent_to_agent: bool,
    session: Option<&'a str>,
    pts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(flatten)]
    relative: Relative<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<&'a str>,
    segment: &'a str,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    detector: Option<Detector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned_to: Option<&'a str>,
    scores: Scores,
    width: u32,
    height: u32,
    bytes: u64,
    hash: &'a str,
    #[serde(flatten)]
    extra: Option<&'a Map<String, Value>>,
}

impl Item {
    /// Appends its element to `json`.
    pub(crate) fn write(&self, sent_to_agent: bool, json: &mut Vec<u8>) -> serde_json::Result<()> {
        let Self { session, frame, extra } = self;
        let entry = Entry {
            id: &frame.id,
            timestamp: frame.timestamp,
            path: &frame.path,
            sent_to_agent,
            session: session.as_deref(),
            pts: frame.pts,
            at: frame.at,
            relative: Relative::of_frame(session.as_deref(), frame),
            thumbnail: frame.thumbnail.as_deref(),
            segment: &frame.segment,
            reason: frame.reason,
            detector: frame.detector,
            change: frame.change,
            returned_to: frame.returned_to.as_deref(),
            scores: frame.scores,
            width: frame.width,
            height: frame.height,
            bytes: frame.bytes,
            hash: &frame.hash,
            extra: extra.as_deref(),
        };
        serde_json::to_writer(json, &entry)
    }

    /// Returns its line in the journal: the event, followed by the fields of other programs.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let mut line = Event::new(self.session.clone(), self.frame.clone()).to_session_line();
        let extra = self.extra.as_deref().filter(|extra| !extra.is_empty());
        if let Some(fields) = extra.and_then(|extra| serde_json::to_vec(extra).ok()) {
            append_fields(&mut line, &fields);
        }
        line
    }

    /// Adds fields of other programs; `replace` also changes existing ones. Returns whether
    /// anything changed. Fails if they are too large.
    pub(crate) fn merge(
        &mut self,
        fields: Map<String, Value>,
        replace: bool,
    ) -> Result<bool, TooLarge> {
        let mut extra = self.extra.as_deref().cloned().unwrap_or_default();
        let mut changed = false;
        for (name, value) in fields {
            let is_new = match extra.get(&name) {
                None => true,
                Some(known) => replace && *known != value,
            };
            if is_new {
                extra.insert(name, value);
                changed = true;
            }
        }
        if !changed {
            return Ok(false);
        }
        if serde_json::to_vec(&extra).map_or(usize::MAX, |text| text.len()) > LARGEST_EXTRA {
            return Err(TooLarge(self.frame.id.clone()));
        }
        self.extra = Some(Box::new(extra));
        Ok(true)
    }
}

/// Fields of other programs that are too large to keep.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: fields that others added are not kept: together larger than {LARGEST_EXTRA} bytes")]
pub(crate) struct TooLarge(pub String);

/// Compares two frames by session (without one, by the folder of their segment), then by time and
/// id.
pub(crate) fn order(a: &Item, b: &Item) -> Ordering {
    if a.session != b.session || a.session.is_none() {
        let of_group = natural_sort::compare(timeline(a), timeline(b));
        if of_group != Ordering::Equal {
            return of_group;
        }
    }
    let by_time = a.frame.timestamp.total_cmp(&b.frame.timestamp);
    by_time.then_with(|| natural_sort::compare(a.frame.id.as_ref(), b.frame.id.as_ref()))
}

/// Returns the folder whose timeline a frame is on.
fn timeline(item: &Item) -> &Path {
    let of_segment = || Path::new(&item.frame.segment).parent();
    item.session.as_deref().map(Path::new).or_else(of_segment).unwrap_or(Path::new(""))
}

/// The index's part of an object that other programs may have written.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub id: Option<Value>,
    pub sent_to_agent: Option<Value>,
    /// Fields of other programs.
    pub extra: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
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
                        known if KNOWN.contains(&known) => {
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
        deserializer.deserialize_map(Fields)
    }
}

/// Returns the fields that other programs added to the event on `line`. An error names one that
/// cannot be kept.
pub(crate) fn extra(line: &[u8]) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_slice(line).map(|element: Element| element.extra)
}

#[cfg(test)]
mod tests {
    use cht_core::event::Body;

    use super::*;

    const LINE: &str = r#"{"v":1,"type":"frame","session":null,"id":"F000001","timestamp":1.5,"pts":1,"path":"/f/F000001.jpg","segment":"/s/a.ts","reason":"scene","scores":{"scene":0.5},"width":1,"height":1,"bytes":1,"hash":"0","note":{"by":"me"},"seen":null}"#;

    fn item(line: &str) -> Item {
        let Event { session, body: Body::Frame(frame) } =
            Event::parse(line.as_bytes()).unwrap().unwrap()
        else {
            panic!("no frame")
        };
        let mut item = Item { session, frame, extra: None };
        item.merge(extra(line.as_bytes()).unwrap(), true).unwrap();
        item
    }

    #[test]
    fn added_fields_survive_journal_and_index() {
        let first = item(LINE);
        assert_eq!(first.extra.as_ref().unwrap().len(), 2);
        let again = item(std::str::from_utf8(&first.to_line()).unwrap());
        assert_eq!((again.frame, &again.extra), (first.frame.clone(), &first.extra));
        let mut json = Vec::new();
        first.write(true, &mut json).unwrap();
        let json: Value = serde_json::from_slice(&json).unwrap();
        assert_eq!((&json["note"]["by"], &json["seen"]), (&"me".into(), &Value::Null));
        assert_eq!(json["sent_to_agent"], true);
    }

    #[test]
    fn known_fields_are_those_of_the_event() {
        let schemas = cht_core::event::schemas();
        let (_, _, frame) = schemas.into_iter().find(|(name, ..)| *name == "frame").unwrap();
        let schema = serde_json::to_value(frame).unwrap();
        for field in schema["properties"].as_object().unwrap().keys() {
            assert!(KNOWN.contains(&field.as_str()), "{field} is a field of the event");
        }
    }

    #[test]
    fn added_fields_are_bounded() {
        let mut item = item(LINE);
        let large = Value::from("x".repeat(LARGEST_EXTRA));
        let fields = Map::from_iter([("large".to_owned(), large)]);
        assert_eq!(item.merge(fields, true), Err(TooLarge("F000001".to_owned())));
        assert_eq!(item.extra.unwrap().len(), 2, "as before");
    }

    #[test]
    fn merge_without_replacing_only_adds() {
        let mut item = item(LINE);
        let fields = |text| serde_json::from_str::<Map<_, _>>(text).unwrap();
        assert_eq!(item.merge(fields(r#"{"note":1}"#), false), Ok(false));
        assert_eq!(item.merge(fields(r#"{"note":1,"more":2}"#), false), Ok(true));
        assert_eq!(item.extra.as_ref().unwrap()["note"]["by"], "me");
        assert_eq!(item.merge(fields(r#"{"note":1}"#), true), Ok(true));
        assert_eq!(item.extra.unwrap()["note"], 1);
    }

    #[test]
    fn order_is_by_session_time_and_id() {
        let at = |session: &str, time: &str, id: &str| {
            let line = LINE.replace(r#""session":null"#, &format!(r#""session":{session}"#));
            item(&line.replace("1.5", time).replace("\"F000001\"", &format!("\"{id}\"")))
        };
        let sorted = [
            at("null", "9.0", "F9"),
            at("\"/t/2\"", "-0.5", "F8"),
            at("\"/t/2\"", "3.0", "F9"),
            at("\"/t/2\"", "3.0", "F10"),
            at("\"/t/10\"", "1.0", "F1"),
        ];
        for pair in sorted.windows(2) {
            assert_eq!(order(&pair[0], &pair[1]), Ordering::Less, "{pair:?}");
        }
    }
}
