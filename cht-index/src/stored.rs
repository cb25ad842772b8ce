//! A line of the journal: a frame, a mark, or another event. Pure.

use cht_core::{
    event::{Body, Event, ParseError},
    session::Moved,
};
use serde_json::Map;

use crate::{
    entry::{Entry, FrameLine},
    frames::Kept,
    others::OtherLine,
};

/// A line of the journal.
pub(crate) enum Stored<'a> {
    Frame(StoredFrame<'a>),
    Mark(String),
    Event(OtherLine<'a>),
    Other,
}

/// A frame's line, as cht-index writes it or otherwise.
#[expect(clippy::large_enum_variant, reason = "a journal has few lines of the other kind")]
pub(crate) enum StoredFrame<'a> {
    Usual(FrameLine<'a>),
    Other(Box<Entry>),
}

impl StoredFrame<'_> {
    pub(crate) fn kept<'a>(&'a self, moved: Option<&'a mut Moved>) -> Kept<'a> {
        match self {
            Self::Usual(line) => line.kept(moved),
            Self::Other(entry) => entry.kept(moved),
        }
    }
}

/// Reads a line of the journal.
pub(crate) fn read_line(line: &[u8]) -> Result<Stored<'_>, ParseError> {
    if let Some(frame) = FrameLine::parse(line) {
        return Ok(Stored::Frame(StoredFrame::Usual(frame)));
    }
    if let Some(other) = OtherLine::parse(line) {
        return Ok(Stored::Event(other));
    }
    Ok(match Event::parse(line)? {
        Some(Event { session, body: Body::Frame(frame) }) => {
            let entry = Entry { session, frame, extra: Map::new() };
            Stored::Frame(StoredFrame::Other(Box::new(entry)))
        }
        Some(Event { body: Body::Sent(sent), .. }) if sent.is_of_agent() => Stored::Mark(sent.id),
        _ => Stored::Other,
    })
}
