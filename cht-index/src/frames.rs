//! The frames of an index in memory: where the journal has each, their order, and their marks. The
//! frames themselves stay in the journal. This module touches no file.

use std::{
    cmp::Ordering,
    collections::{HashMap, HashSet},
    path::Path,
    rc::Rc,
};

use cht_core::session::natural_sort;

/// Place of a line in the journal, without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub offset: u64,
    pub length: u32,
}

impl Span {
    /// Returns the place of the line of `length` bytes whose newline ends at byte `end`.
    pub(crate) fn before(end: u64, length: usize) -> Self {
        Self { offset: end - 1 - length as u64, length: length as u32 }
    }
}

/// A frame, as its line says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub id: &'a str,
    /// Its session, or without one the folder of its segment: frames of one timeline.
    pub timeline: &'a str,
    pub timestamp: f64,
    /// Hash of its picture.
    pub hash: &'a str,
}

/// A frame of the index.
#[derive(Debug)]
pub(crate) struct Item {
    pub id: Rc<str>,
    /// Its newest line, which has all of its fields.
    pub line: Span,
    /// Index in `timelines`.
    timeline: u32,
    timestamp: f64,
    hash: u64,
    pub sent: bool,
}

/// The sum of the journal's events.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// In order, unless `unordered`.
    items: Vec<Item>,
    unordered: bool,
    /// Index of each id in `items`.
    places: HashMap<Rc<str>, u32>,
    /// Names of the timelines. Few: an index is of one session, or of some folders.
    timelines: Vec<Box<str>>,
    /// Marks of frames that are not known yet.
    early: HashSet<Box<str>>,
    /// Older lines of the few frames that have any, in order.
    older: HashMap<Rc<str>, Vec<Span>>,
}

impl Frames {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the frame with this id.
    pub(crate) fn get(&self, id: &str) -> Option<&Item> {
        self.place(id).map(|place| &self.items[place])
    }

    /// Returns the older lines of a frame, the first one first.
    pub(crate) fn older(&self, id: &str) -> &[Span] {
        self.older.get(id).map_or(&[], Vec::as_slice)
    }

    /// Adds a frame, or replaces its line. The mark goes with another picture: a frame
    /// that was made anew has not been sent.
    pub(crate) fn set(&mut self, kept: Kept<'_>, line: Span) {
        let Kept { id, timeline, timestamp, hash } = kept;
        let timeline = self.timeline(timeline);
        let hash = digest(hash);
        let Some(&place) = self.places.get(id) else {
            let id: Rc<str> = id.into();
            let sent = self.early.remove(&*id);
            let item = Item { id: Rc::clone(&id), line, timeline, timestamp, hash, sent };
            let last = self.items.last();
            self.unordered |= last.is_some_and(|last| self.compare(last, &item).is_gt());
            self.places.insert(id, self.items.len() as u32);
            self.items.push(item);
            return;
        };
        let item = &mut self.items[place as usize];
        self.older.entry(Rc::clone(&item.id)).or_default().push(item.line);
        self.unordered |= item.timeline != timeline || item.timestamp.total_cmp(&timestamp).is_ne();
        item.sent &= item.hash == hash;
        (item.line, item.timeline, item.timestamp, item.hash) = (line, timeline, timestamp, hash);
    }

    /// Marks a frame as sent, which may become known later. Returns whether it was not marked
    /// before.
    pub(crate) fn mark(&mut self, id: &str) -> bool {
        match self.places.get(id) {
            Some(place) => !std::mem::replace(&mut self.items[*place as usize].sent, true),
            None => self.early.insert(id.into()),
        }
    }

    /// Puts the frames in order.
    pub(crate) fn sort(&mut self) {
        if std::mem::take(&mut self.unordered) {
            let mut items = std::mem::take(&mut self.items);
            items.sort_by(|a, b| self.compare(a, b));
            self.items = items;
            self.places = self.items.iter().map(|item| Rc::clone(&item.id)).zip(0..).collect();
        }
    }

    /// Returns the frames, which are in order after [`Self::sort`].
    pub(crate) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Returns the index of a frame in [`Self::items`].
    pub(crate) fn place(&self, id: &str) -> Option<usize> {
        self.places.get(id).map(|place| *place as usize)
    }

    /// Returns the first line of a frame.
    pub(crate) fn first_line(&self, item: &Item) -> Span {
        self.older(&item.id).first().copied().unwrap_or(item.line)
    }

    /// Compares two frames by timeline, then by time and id.
    fn compare(&self, a: &Item, b: &Item) -> Ordering {
        let name = |item: &Item| Path::new(&*self.timelines[item.timeline as usize]);
        let by_timeline = if a.timeline == b.timeline {
            Ordering::Equal
        } else {
            natural_sort::compare(name(a), name(b))
        };
        by_timeline
            .then_with(|| a.timestamp.total_cmp(&b.timestamp))
            .then_with(|| natural_sort::compare((*a.id).as_ref(), (*b.id).as_ref()))
    }

    /// Returns the number of a timeline, the last ones first.
    fn timeline(&mut self, name: &str) -> u32 {
        let known = self.timelines.iter().rposition(|known| **known == *name);
        let number = known.unwrap_or_else(|| {
            self.timelines.push(name.into());
            self.timelines.len() - 1
        });
        number as u32
    }
}

/// Returns the beginning of a hash in hex as a number, which tells two pictures apart.
fn digest(hash: &str) -> u64 {
    let begin = hash.as_bytes().get(..16).and_then(|begin| std::str::from_utf8(begin).ok());
    let number = begin.and_then(|begin| u64::from_str_radix(begin, 16).ok());
    // Another program's frames may have other hashes.
    number.unwrap_or_else(|| {
        hash.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(offset: u64) -> Span {
        Span { offset, length: 9 }
    }

    fn kept<'a>(id: &'a str, timeline: &'a str, timestamp: f64) -> Kept<'a> {
        Kept { id, timeline, timestamp, hash: "00" }
    }

    #[test]
    fn order_is_by_timeline_time_and_id() {
        let sorted =
            [("/t/2", -0.5, "F8"), ("/t/2", 3.0, "F9"), ("/t/2", 3.0, "F10"), ("/t/10", 1.0, "F1")];
        let mut frames = Frames::default();
        for (timeline, timestamp, id) in sorted.into_iter().rev() {
            frames.set(kept(id, timeline, timestamp), span(0));
        }
        frames.sort();
        let ids: Vec<_> = frames.items().iter().map(|item| item.id.to_string()).collect();
        assert_eq!(ids, sorted.map(|(_, _, id)| id));
        for id in ids {
            assert_eq!(*frames.get(&id).unwrap().id, *id, "found where it is now");
        }
    }

    #[test]
    fn mark_stays_with_its_picture() {
        let mut frames = Frames::default();
        assert!(frames.mark("F1") && !frames.mark("F1"), "before the frame");
        frames.set(kept("F1", "", 0.0), span(0));
        frames.set(kept("F1", "", 1.0), span(10));
        assert!(frames.get("F1").unwrap().sent && !frames.mark("F1"));
        frames.set(Kept { hash: "11", ..kept("F1", "", 1.0) }, span(20));
        let item = frames.get("F1").unwrap();
        assert_eq!((item.sent, item.line), (false, span(20)));
        assert_eq!(frames.older("F1"), [span(0), span(10)]);
    }
}
