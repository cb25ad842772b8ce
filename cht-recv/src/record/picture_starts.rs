//! Where pictures begin in what is being written: the place of a segment that the disk ended or began, at no cut. Pure.

use std::collections::VecDeque;

use cht_core::event::Anchor;

/// The pictures that begin in the growing segment and behind it, and the last one before.
#[derive(Debug, Default)]
pub(crate) struct PictureStarts(VecDeque<(u64, Anchor)>);

impl PictureStarts {
    /// Adds pictures, in the order of their bytes: offsets in the connection, and places.
    pub(crate) fn extend(&mut self, pictures: Vec<(u64, Anchor)>) {
        self.0.extend(pictures);
    }

    /// Forgets what no segment that begins at `offset` or later needs.
    pub(crate) fn forget_before(&mut self, offset: u64) {
        while self.0.get(1).is_some_and(|(begin, _)| *begin < offset) {
            self.0.pop_front();
        }
    }

    /// The place of the first picture that begins in the bytes from `begin` to before `end`.
    pub(crate) fn first_in(&self, begin: u64, end: u64) -> Option<Anchor> {
        let mut within = self.0.iter().filter(|(offset, _)| (begin..end).contains(offset));
        within.next().map(|(_, anchor)| *anchor)
    }

    /// The place of bytes that begin at `begin`, within a picture: a tick after its own, because it belongs to the segment in
    /// which it begins.
    pub(crate) fn within(&self, begin: u64) -> Option<Anchor> {
        let last = self.0.iter().take_while(|(offset, _)| *offset < begin).last();
        last.map(|(_, last)| Anchor { pts: last.pts + 1, offset: last.offset + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(at: i64) -> Anchor {
        Anchor { pts: at + 7, offset: at }
    }

    #[test]
    fn segment_at_no_cut_lies_at_its_first_picture_or_within_the_last_one() {
        let mut begins = PictureStarts::default();
        assert_eq!((begins.first_in(0, 100), begins.within(100)), (None, None));
        begins.extend((0..10).map(|n| (n * 100, anchor(n as i64 * 3600))).collect());
        assert_eq!(begins.first_in(0, 50), Some(anchor(0)));
        assert_eq!(begins.first_in(250, 500), Some(anchor(3 * 3600)));
        assert_eq!(begins.first_in(250, 300), None);
        assert_eq!(begins.within(250), Some(anchor(2 * 3600 + 1)));
        begins.forget_before(250);
        assert_eq!(begins.0.len(), 8);
        assert_eq!(begins.within(250), Some(anchor(2 * 3600 + 1)));
        assert_eq!(begins.first_in(250, u64::MAX), Some(anchor(3 * 3600)));
    }
}
