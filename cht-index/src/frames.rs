//! The frames of an index and their marks, in memory. This module touches no file.

use std::collections::{BTreeSet, HashMap, HashSet};

use cht_core::{
    event::{Event, Frame, Sent},
    process::report,
};
use serde_json::{Map, Value};

use crate::entry::{self, Element, Item};

/// The sum of the journal's events.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// In order, unless `unordered`.
    items: Vec<Item>,
    unordered: bool,
    /// Index of each id in `items`.
    places: HashMap<String, usize>,
    sent: HashSet<String>,
}

/// Changes that an edit makes: one line per frame, however often the edit names it.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Lines of the journal.
    marks: Vec<u8>,
    /// Ids of the frames with new fields of other programs.
    frames: BTreeSet<String>,
}

/// Reason why an element of an edit is not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EditError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("no frame (it has no `id`)")]
    NoId,
    #[error("no such frame: {0:?}")]
    NoFrame(String),
    #[error("sent_to_agent of {0} is {1}, and has to be true or false")]
    NoMark(String, Value),
    #[error(transparent)]
    TooLarge(#[from] entry::TooLarge),
}

impl Frames {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns whether there is a frame with this id.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// Adds a frame, with the fields that other programs added. Returns whether anything changed.
    pub(crate) fn take(
        &mut self,
        session: Option<String>,
        frame: Frame,
        extra: Map<String, Value>,
    ) -> bool {
        let Some(&place) = self.places.get(&frame.id) else {
            let mut item = Item { session, frame, extra: None };
            merge(&mut item, extra);
            let last = self.items.last();
            self.unordered |= last.is_some_and(|last| entry::order(last, &item).is_gt());
            self.places.insert(item.frame.id.clone(), self.items.len());
            self.items.push(item);
            return true;
        };
        let item = &mut self.items[place];
        if item.frame == frame {
            return merge(item, extra);
        }
        if item.frame.hash != frame.hash {
            // Another picture of the same name: it was made anew, so it has not been sent.
            item.extra = None;
            self.sent.remove(&frame.id);
        }
        (item.session, item.frame) = (session, frame);
        merge(item, extra);
        self.unordered = true;
        true
    }

    /// Marks a frame as sent, which may become known later. Returns whether it was not marked
    /// before.
    pub(crate) fn mark(&mut self, id: &str) -> bool {
        !self.sent.contains(id) && self.sent.insert(id.to_owned())
    }

    /// Appends the journal's line of a frame in its present state.
    pub(crate) fn write_line(&self, id: &str, lines: &mut Vec<u8>) {
        if let Some(&place) = self.places.get(id) {
            lines.extend(self.items[place].to_line());
        }
    }

    /// Takes over an element that another program has edited, and notes in `changes` what the
    /// journal has to record. `replace` also changes existing fields of other programs.
    pub(crate) fn take_over(
        &mut self,
        element: &[u8],
        replace: bool,
        changes: &mut Changes,
    ) -> Result<(), EditError> {
        let Element { id, sent_to_agent, extra } = serde_json::from_slice(element)?;
        let Some(Value::String(id)) = id else { return Err(EditError::NoId) };
        let Some(&place) = self.places.get(&id) else { return Err(EditError::NoFrame(id)) };
        if sent_to_agent == Some(Value::Bool(true)) && self.mark(&id) {
            changes.marks.extend(line_of_mark(&id));
        }
        if self.items[place].merge(extra, replace)? {
            changes.frames.insert(id.clone());
        }
        match sent_to_agent {
            None | Some(Value::Bool(_) | Value::Null) => Ok(()),
            Some(value) => Err(EditError::NoMark(id, value)),
        }
    }

    /// Appends the journal's lines of an edit.
    pub(crate) fn write_changes(&self, changes: &Changes, lines: &mut Vec<u8>) {
        for id in &changes.frames {
            self.write_line(id, lines);
        }
        lines.extend_from_slice(&changes.marks);
    }

    /// Returns the whole index, one element per line, in order.
    pub(crate) fn json(&mut self) -> serde_json::Result<Vec<u8>> {
        self.sort();
        let mut json = b"[".to_vec();
        for (n, item) in self.items.iter().enumerate() {
            json.extend(if n == 0 { "\n" } else { ",\n" }.as_bytes());
            item.write(self.sent.contains(&item.frame.id), &mut json)?;
        }
        json.extend(b"\n]\n");
        Ok(json)
    }

    fn sort(&mut self) {
        if std::mem::take(&mut self.unordered) {
            self.items.sort_by(entry::order);
            let ids = self.items.iter().map(|item| item.frame.id.clone());
            self.places = ids.zip(0..).collect();
        }
    }
}

/// Returns the journal's line of a mark.
pub(crate) fn line_of_mark(id: &str) -> Vec<u8> {
    Event::new(None, Sent { id: id.to_owned(), ..Sent::default() }).to_line()
}

/// Adds fields of other programs to a frame, and warns if they are too large. Returns whether
/// anything changed.
fn merge(item: &mut Item, extra: Map<String, Value>) -> bool {
    item.merge(extra, true).unwrap_or_else(|error| {
        report::warn(error);
        false
    })
}

#[cfg(test)]
mod tests {
    use cht_core::event::Body;

    use super::*;

    #[test]
    fn edit_that_repeats_frame_is_one_line() {
        let line = br#"{"v":1,"type":"frame","session":null,"id":"F000001","timestamp":1,"pts":1,"path":"/f","segment":"/s","reason":"scene","scores":{"scene":0.5},"width":1,"height":1,"bytes":1,"hash":"0"}"#;
        let Ok(Some(Event { body: Body::Frame(frame), .. })) = Event::parse(line) else {
            panic!("no frame")
        };
        let (mut frames, mut changes, mut lines) =
            (Frames::default(), Changes::default(), Vec::new());
        assert!(frames.take(None, frame, Map::new()));
        for n in 0..1000 {
            let element = format!(r#"{{"id":"F000001","sent_to_agent":true,"n":{n}}}"#);
            frames.take_over(element.as_bytes(), true, &mut changes).unwrap();
        }
        frames.write_changes(&changes, &mut lines);
        let lines = String::from_utf8(lines).unwrap();
        assert_eq!(lines.lines().count(), 2, "{lines}");
        assert!(lines.contains(r#""n":999}"#), "{lines}");
    }
}
