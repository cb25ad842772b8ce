//! Items: everything that a page knows of a session, one JSON object each. Pure.
//!
//! An item is an event of `docs/events.md` without the fields that no page shows, and with paths
//! from the session's folder on. A page is given the items of the past in one file, and those that
//! follow one by one.

use cht_core::event::{
    Anchor, Body, Detector, EndReason, Event, Frame, Reason, Relative, Scores, SegmentClosed,
};
use jiff::Timestamp;
use serde::Serialize;

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Item {
    /// A kept frame; it replaces an earlier one of this id.
    Frame(Box<Picture>),
    /// Text in a frame.
    Text {
        id: String,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// Words of the sound.
    Transcript {
        start: f64,
        end: f64,
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        speaker: Option<String>,
    },
    /// A mark.
    Sent {
        id: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        reader: Option<String>,
    },
    /// A finished segment.
    SegmentClosed(Box<Segment>),
    /// The growing segment.
    SegmentOpen {
        seq: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        timeline: Option<Anchor>,
        at: Timestamp,
    },
    /// A segment that retention removed.
    Deleted { seq: u64 },
    /// Frames that a reader has acknowledged, as ranges of ids.
    Reader { name: String, acknowledged: Vec<String> },
    /// Whether the session is being recorded, and the wall clock that its `at` are compared with.
    State { live: bool, now: Timestamp },
}

/// A kept frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Picture {
    id: String,
    timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<String>,
    reason: Reason,
    #[serde(skip_serializing_if = "Option::is_none")]
    detector: Option<Detector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    returned_to: Option<String>,
    scores: Scores,
    width: u32,
    height: u32,
    /// Beginning of the picture's hash: tells whether a later frame of this id is another picture.
    hash: String,
}

/// A finished segment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Segment {
    seq: u64,
    path: String,
    connection: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Anchor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
    opened_at: Timestamp,
    bytes: u64,
    end_reason: EndReason,
}

impl Picture {
    /// Returns its time in seconds.
    pub(crate) fn timestamp(&self) -> f64 {
        self.timestamp
    }

    /// Returns its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns the path of the smallest picture of it.
    pub(crate) fn shown(&self) -> &str {
        self.thumbnail.as_deref().unwrap_or(&self.path)
    }
}

impl Segment {
    /// Returns its path from the session's folder on.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

/// Digits of a hash that tell pictures of one id apart.
const HASH: usize = 12;

impl Item {
    /// Returns the item of an event; `None` for one that no page shows.
    pub(crate) fn of(event: Event) -> Option<Self> {
        match event.body {
            Body::Frame(frame) => picture(event.session.as_deref(), frame),
            Body::Text(text) => {
                Some(Self::Text { id: text.id, text: text.text, source: text.source })
            }
            Body::Transcript(words) => Some(Self::Transcript {
                start: words.start,
                end: words.end,
                text: words.text,
                speaker: words.speaker,
            }),
            Body::Sent(sent) => Some(Self::Sent { id: sent.id, reader: sent.reader }),
            Body::SegmentClosed(closed) => Some(segment(&closed)),
            Body::SegmentOpen(open) => {
                Some(Self::SegmentOpen { seq: open.seq, timeline: open.timeline, at: open.at })
            }
            Body::Deleted(deleted) => Some(Self::Deleted { seq: deleted.seq }),
            _ => None,
        }
    }
}

/// Returns a frame whose picture is a file of the session.
fn picture(session: Option<&str>, frame: Frame) -> Option<Item> {
    let paths = Relative::of_frame(session, &frame);
    // Frames of loose segments name no session; their pictures lie next to the index as well.
    let beside = |path| if session.is_none() { in_frames(path) } else { None };
    let path = paths.path.or_else(|| beside(&frame.path));
    let path = path.filter(|path| is_within(path))?.to_owned();
    let thumbnail = paths.thumbnail.or_else(|| frame.thumbnail.as_deref().and_then(beside));
    let thumbnail = thumbnail.filter(|path| is_within(path)).map(str::to_owned);
    let hash = frame.hash.chars().take(HASH).collect();
    Some(Item::Frame(Box::new(Picture {
        id: frame.id,
        timestamp: frame.timestamp,
        at: frame.at,
        path,
        thumbnail,
        reason: frame.reason,
        detector: frame.detector,
        returned_to: frame.returned_to,
        scores: frame.scores,
        width: frame.width,
        height: frame.height,
        hash,
    })))
}

fn segment(closed: &SegmentClosed) -> Item {
    Item::SegmentClosed(Box::new(Segment {
        seq: closed.seq,
        // Its own name may be of a place where the session was before.
        path: format!("stream/segment_{:06}.ts", closed.seq),
        connection: closed.connection,
        timeline: closed.timeline,
        duration: closed.duration,
        opened_at: closed.opened_at,
        bytes: closed.bytes,
        end_reason: closed.end_reason,
    }))
}

/// Returns a path from the last folder of frames on.
fn in_frames(path: &str) -> Option<&str> {
    Some(&path[path.rfind("/frames/")? + 1..])
}

/// Tells whether a path leads to no parent folder: events may come from elsewhere.
fn is_within(path: &str) -> bool {
    path.split('/').all(|name| !matches!(name, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(line: &str) -> Option<serde_json::Value> {
        let event = Event::parse(line.as_bytes()).unwrap().unwrap();
        Item::of(event).map(|item| serde_json::to_value(item).unwrap())
    }

    #[test]
    fn frame_has_paths_from_its_session_on() {
        let frame = |path: &str| {
            format!(
                r#"{{"v":1,"type":"frame","session":"/old/call","id":"F000001","timestamp":1.5,"pts":0,"path":"{path}","segment":"/old/call/stream/segment_000001.ts","reason":"first","scores":{{"scene":0.0}},"width":2,"height":2,"bytes":1,"hash":"0123456789abcdef"}}"#
            )
        };
        let shown = item(&frame("/old/call/frames/F000001.jpg")).unwrap();
        assert_eq!((&shown["type"], &shown["timestamp"]), (&"frame".into(), &1.5.into()));
        assert_eq!(shown["path"], "frames/F000001.jpg");
        assert_eq!(shown["hash"], "0123456789ab");
        for foreign in
            ["/etc/passwd", "/old/call/../secret.jpg", "/old/call/", "/old/callers/1.jpg"]
        {
            assert_eq!(item(&frame(foreign)), None, "{foreign}");
        }
        let loose = |path: &str| frame(path).replace(r#""/old/call""#, "null");
        assert_eq!(item(&loose("/a/frames/b/frames/F1.jpg")).unwrap()["path"], "frames/F1.jpg");
        for foreign in ["/etc/passwd", "/a/frames/../secret.jpg", "/a/frames/"] {
            assert_eq!(item(&loose(foreign)), None, "{foreign}");
        }
    }
}
