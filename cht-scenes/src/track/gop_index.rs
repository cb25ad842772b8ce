//! Where the pictures of a segment lie: what has to be decoded to see one of them.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
};

use cht_core::event::Anchor;
use cht_ts::{Entry, Found, Scanner};

use crate::input::Source;

/// Bytes per read.
const READ: usize = 256 * 1024;

/// A PES packet of the video: in most streams, one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// On the session's timeline, in ticks. Where the stream says nothing, as the unit before.
    pub pts: i64,
    /// How decoding can begin here.
    pub entry: Option<Entry>,
}

/// The pictures of a segment in the order of the stream.
#[derive(Debug, Default)]
pub(crate) struct GopIndex {
    pub units: Vec<Unit>,
    /// Where the part begins that the pictures are of.
    pub begin: u64,
    /// Where it ends: the segment's size, as far as it was read.
    pub length: u64,
}

impl GopIndex {
    /// Looks through a segment, which may still grow.
    pub(crate) fn of(mut file: File, source: &Source) -> io::Result<Self> {
        let Source { pid, anchor, .. } = *source;
        let (mut scanner, mut buffer) = (Scanner::new(), vec![0; READ]);
        let mut gops = Self::default();
        loop {
            let count = match file.read(&mut buffer) {
                // A part that cannot be read takes nothing from the pictures before it.
                Err(error) if scanner.position() == 0 => return Err(error),
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            scanner.push(&buffer[..count], &mut |found| gops.take(&found, pid, anchor));
        }
        scanner.finish(&mut |found| gops.take(&found, pid, anchor));
        gops.begin = source.bytes_from;
        gops.length = scanner.position().min(source.bytes_until);
        let range = source.range();
        gops.units.retain(|unit| range.contains(&unit.offset));
        Ok(gops)
    }

    fn take(&mut self, found: &Found<'_>, pid: u16, anchor: Anchor) {
        if let Found::Pes(pes) = found
            && pes.pid == pid
        {
            let before = self.units.last().map_or(anchor.offset, |unit| unit.pts);
            let pts = pes.pts.map_or(before, |pts| anchor.place(pts as i64));
            self.units.push(Unit { offset: pes.offset, pts, entry: pes.entry });
        }
    }

    /// Returns the bytes to decode for the picture at `at`, if it is in here: from an access point, of which the `skipped` nearest do
    /// not count, or from the segment's beginning where that lies before it, to the end of the unit after its own, in which a picture
    /// may end.
    pub(crate) fn bytes_for(&self, at: i64, skipped: usize) -> Option<Range<u64>> {
        let own = self.units.iter().position(|unit| unit.pts == at)?;
        // A picture that is shown before its access point needs the one before.
        let from = accesses(&self.units[..=own], at).nth(skipped);
        // More slices of the picture, in PES packets of their own, have its time.
        let mut behind = self.units[own..].iter().filter(|unit| unit.pts != at);
        let end = behind.nth(1).map_or(self.length, |next| next.offset);
        Some(from.map_or(self.begin, |from| from.offset)..end)
    }

    /// Whether decoding can begin at a byte.
    pub(crate) fn has_access_at(&self, offset: u64) -> bool {
        self.units.iter().any(|unit| unit.entry == Some(Entry::Clean) && unit.offset == offset)
    }

    /// Returns the offset of the last access point for the pictures after this segment.
    pub(crate) fn last_access(&self) -> Option<u64> {
        accesses(&self.units, i64::MAX).next().map(|unit| unit.offset)
    }
}

/// Returns the units at which decoding can begin for the picture at `at`, the last one first.
fn accesses(units: &[Unit], at: i64) -> impl Iterator<Item = &Unit> {
    let mut refreshes = 0;
    units.iter().rev().filter(move |unit| match unit.entry.filter(|_| unit.pts <= at) {
        Some(Entry::Clean) => true,
        // The picture is whole only where all of one refresh lies before it.
        Some(Entry::Gradual) => {
            refreshes += 1;
            refreshes > 1
        }
        Some(Entry::Claimed) | None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gops(units: &[(i64, bool)]) -> GopIndex {
        let units = units.iter().zip(0..).map(|(&(pts, random_access), n)| Unit {
            offset: n * 10,
            pts,
            entry: random_access.then_some(Entry::Clean),
        });
        GopIndex { units: units.collect(), begin: 0, length: 1000 }
    }

    #[test]
    fn from_the_access_point_to_the_end_of_the_unit() {
        // I P B B, I with two pictures that are shown before it, P.
        let gops = gops(&[
            (0, true),
            (3, false),
            (1, false),
            (2, false),
            (6, true),
            (4, false),
            (5, false),
            (7, false),
        ]);
        assert_eq!(gops.bytes_for(0, 0), Some(0..20));
        assert_eq!(gops.bytes_for(2, 0), Some(0..50));
        assert_eq!(gops.bytes_for(5, 0), Some(0..1000), "it needs both groups");
        assert_eq!(gops.bytes_for(6, 0), Some(40..60));
        assert_eq!(gops.bytes_for(7, 0), Some(40..1000));
        assert_eq!(gops.bytes_for(9, 0), None);
    }

    #[test]
    fn all_slices_of_a_picture_are_taken() {
        let gops = gops(&[(0, true), (0, false), (0, false), (0, false), (1, false), (2, false)]);
        assert_eq!(gops.bytes_for(0, 0), Some(0..50));
    }

    #[test]
    fn without_an_access_point_it_begins_before_the_segment() {
        let gops = gops(&[(1, false), (0, false), (2, true)]);
        assert_eq!(gops.bytes_for(0, 0), Some(0..1000));
        assert!(!gops.has_access_at(0) && gops.has_access_at(20));
        assert_eq!(gops.last_access(), Some(20));
    }

    #[test]
    fn access_point_by_indicator_alone_is_passed_over() {
        let mut gops = gops(&[(0, true), (1, false), (2, true), (3, false), (4, true), (5, false)]);
        gops.units[4].entry = Some(Entry::Claimed);
        assert_eq!(gops.bytes_for(5, 0), Some(20..1000));
        assert_eq!(gops.bytes_for(5, 1), Some(0..1000));
        assert!(!gops.has_access_at(40));
    }

    #[test]
    fn picture_of_gradual_refresh_begins_one_whole_refresh_before() {
        let mut gops = gops(&[(0, true), (1, false), (2, true), (3, false), (4, true), (5, false)]);
        gops.units.iter_mut().filter(|unit| unit.entry.is_some()).for_each(|unit| {
            unit.entry = Some(Entry::Gradual);
        });
        assert_eq!(gops.bytes_for(5, 0), Some(20..1000));
        assert_eq!(gops.bytes_for(3, 0), Some(0..50));
        assert_eq!(gops.last_access(), Some(20));
    }
}
