//! Starts of pictures in the bytes being written: they place a segment that the disk ended or began
//! where there is no cut. Pure.

use std::collections::VecDeque;

use cht_core::event::Anchor;

/// Starts of the pictures in and after the growing segment, and of the last one before it: offsets
/// in the connection, and anchors.
#[derive(Debug, Default)]
pub(crate) struct PictureStarts(VecDeque<(u64, Anchor)>);

impl PictureStarts {
    /// Adds pictures, in the order of their bytes.
    pub(crate) fn extend(&mut self, pictures: Vec<(u64, Anchor)>) {
        self.0.extend(pictures);
    }

    /// Forgets the pictures that no segment from `offset` on needs.
    pub(crate) fn forget_before(&mut self, offset: u64) {
        while self.0.get(1).is_some_and(|(begin, _)| *begin < offset) {
            self.0.pop_front();
        }
    }

    /// Returns the anchor of the first picture that starts in the bytes from `begin` to before
    /// `end`.
    pub(crate) fn first_in(&self, begin: u64, end: u64) -> Option<Anchor> {
        let mut within = self.0.iter().filter(|(offset, _)| (begin..end).contains(offset));
        within.next().map(|(_, anchor)| *anchor)
    }

    /// Returns the anchor of bytes from `begin` on that start within a picture.
    pub(crate) fn within(&self, begin: u64) -> Option<Anchor> {
        let last = self.0.iter().take_while(|(offset, _)| *offset < begin).last();
        last.map(|(_, last)| last.within_picture())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(at: i64) -> Anchor {
        Anchor { pts: at + 7, offset: at }
    }

    #[test]
    fn segment_without_cut_lies_at_its_first_picture_or_within_last_one() {
        let mut starts = PictureStarts::default();
        assert_eq!((starts.first_in(0, 100), starts.within(100)), (None, None));
        starts.extend((0..10).map(|n| (n * 100, anchor(n as i64 * 3600))).collect());
        assert_eq!(starts.first_in(0, 50), Some(anchor(0)));
        assert_eq!(starts.first_in(250, 500), Some(anchor(3 * 3600)));
        assert_eq!(starts.first_in(250, 300), None);
        assert_eq!(starts.within(250), Some(anchor(2 * 3600 + 1)));
        starts.forget_before(250);
        assert_eq!(starts.0.len(), 8);
        assert_eq!(starts.within(250), Some(anchor(2 * 3600 + 1)));
        assert_eq!(starts.first_in(250, u64::MAX), Some(anchor(3 * 3600)));
    }
}
