//! The frames of an index and their marks, in memory. No file is touched here.

use std::collections::{HashMap, HashSet};

use cht_core::{
    event::{Event, Frame, Sent},
    report,
};
use serde_json::{Map, Value};

use crate::entry::{self, Element, Item};

/// What the events of the journal add up to.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// In order, unless `unordered`.
    items: Vec<Item>,
    unordered: bool,
    /// Where each id is in `items`.
    places: HashMap<String, usize>,
    sent: HashSet<String>,
}

/// Why an element of an edit is not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unheard {
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

    /// Whether a frame of this id is there.
    pub(crate) fn contains(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// Takes a frame in, with the fields that others added. Returns whether it changed anything.
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
            // Another picture of the same name: made anew, so nobody has sent it.
            item.extra = None;
            self.sent.remove(&frame.id);
        }
        (item.session, item.frame) = (session, frame);
        merge(item, extra);
        self.unordered = true;
        true
    }

    /// Marks a frame as sent, which may become known later. Returns whether it was not marked before.
    pub(crate) fn mark(&mut self, id: &str) -> bool {
        !self.sent.contains(id) && self.sent.insert(id.to_owned())
    }

    /// Appends the journal's line of a frame, as it is now.
    pub(crate) fn write_line(&self, id: &str, lines: &mut Vec<u8>) {
        if let Some(&place) = self.places.get(id) {
            lines.extend(self.items[place].to_line());
        }
    }

    /// Takes over an element as another program has left it, and appends to `lines` what the journal has to know of it.
    /// `replace` also changes fields of others that the frame has already.
    pub(crate) fn hear(
        &mut self,
        element: &[u8],
        replace: bool,
        lines: &mut Vec<u8>,
    ) -> Result<(), Unheard> {
        let Element { id, sent_to_agent, extra } = serde_json::from_slice(element)?;
        let Some(Value::String(id)) = id else { return Err(Unheard::NoId) };
        let Some(&place) = self.places.get(&id) else { return Err(Unheard::NoFrame(id)) };
        if sent_to_agent == Some(Value::Bool(true)) && self.mark(&id) {
            lines.extend(line_of_mark(&id));
        }
        if self.items[place].merge(extra, replace)? {
            self.write_line(&id, lines);
        }
        match sent_to_agent {
            None | Some(Value::Bool(_) | Value::Null) => Ok(()),
            Some(value) => Err(Unheard::NoMark(id, value)),
        }
    }

    /// Returns the whole index, one element a line, in order.
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
    Event::new(None, Sent { id: id.to_owned(), path: None }).to_line()
}

/// Adds fields of others to a frame, and warns if they are too large. Returns whether anything changed.
fn merge(item: &mut Item, extra: Map<String, Value>) -> bool {
    item.merge(extra, true).unwrap_or_else(|error| {
        report::warn(error);
        false
    })
}
