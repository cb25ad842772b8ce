//! Indexes the pictures of a segment, to decode a single one of them.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
};

use cht_core::event::Anchor;
use cht_ts::{Accesses, Entry, Found, Scanner};

use crate::input::Source;

/// Size of a read, in bytes.
const READ: usize = 256 * 1024;

/// PES packet of the video: in most streams, one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Byte offset in the segment.
    pub offset: u64,
    /// Time on the session's timeline, in ticks; without a PTS, that of the unit before.
    pub tick: i64,
    /// How decoding can start here.
    pub entry: Option<Entry>,
}

/// Pictures of a segment, in stream order.
#[derive(Debug, Default)]
pub(crate) struct GopIndex {
    pub units: Vec<Unit>,
    /// Byte offset where the indexed part begins.
    pub begin: u64,
    /// Byte offset where it ends, at most the bytes that were read.
    pub length: u64,
}

impl GopIndex {
    /// Indexes a segment, which may still grow.
    pub(crate) fn of(mut file: File, source: &Source) -> io::Result<Self> {
        let Source { pid, anchor, .. } = *source;
        let (mut scanner, mut buffer) = (Scanner::new(), vec![0; READ]);
        let mut gops = Self::default();
        loop {
            let count = match file.read(&mut buffer) {
                // A later error keeps the pictures before it.
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
            let before = self.units.last().map_or(anchor.offset, |unit| unit.tick);
            let tick = pes.pts.map_or(before, |pts| anchor.place(pts));
            self.units.push(Unit { offset: pes.offset, tick, entry: pes.entry });
        }
    }

    /// Returns the bytes to decode for the picture at `at`, if the segment has it.
    ///
    /// They begin at an access point, passing over the `skipped` nearest, or at the beginning of
    /// the part if there is none. They end after the unit that follows the picture's own, since the
    /// picture may end in it.
    pub(crate) fn bytes_for(&self, at: i64, skipped: usize) -> Option<Range<u64>> {
        let own = self.units.iter().position(|unit| unit.tick == at)?;
        // A picture displayed before its access point needs the access point before that.
        let from = accesses(&self.units[..=own], at).nth(skipped);
        // Further slices of the picture, in PES packets of their own, share its time.
        let mut after = self.units[own..].iter().filter(|unit| unit.tick != at);
        let end = after.nth(1).map_or(self.length, |next| next.offset);
        Some(from.map_or(self.begin, |from| from.offset)..end)
    }

    /// Returns whether decoding can start at a byte offset.
    pub(crate) fn has_access_at(&self, offset: u64) -> bool {
        self.units.iter().any(|unit| unit.entry == Some(Entry::Clean) && unit.offset == offset)
    }

    /// Returns the byte offset of the last access point, for pictures after this segment.
    pub(crate) fn last_access(&self) -> Option<u64> {
        accesses(&self.units, i64::MAX).next().map(|unit| unit.offset)
    }
}

/// Returns the units where decoding can start for the picture at `at`, the last one first.
fn accesses(units: &[Unit], at: i64) -> impl Iterator<Item = &Unit> {
    let mut accesses = Accesses::default();
    units.iter().rev().filter(move |unit| accesses.takes(unit.entry.filter(|_| unit.tick <= at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gops(units: &[(i64, bool)]) -> GopIndex {
        let units = units.iter().zip(0..).map(|(&(tick, random_access), n)| Unit {
            offset: n * 10,
            tick,
            entry: random_access.then_some(Entry::Clean),
        });
        GopIndex { units: units.collect(), begin: 0, length: 1000 }
    }

    #[test]
    fn bytes_begin_at_access_point_and_end_after_unit() {
        // I P B B, I with two pictures displayed before it, P.
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
        assert_eq!(gops.bytes_for(5, 0), Some(0..1000), "both GOPs are needed");
        assert_eq!(gops.bytes_for(6, 0), Some(40..60));
        assert_eq!(gops.bytes_for(7, 0), Some(40..1000));
        assert_eq!(gops.bytes_for(9, 0), None);
    }

    #[test]
    fn slices_in_several_units_are_all_taken() {
        let gops = gops(&[(0, true), (0, false), (0, false), (0, false), (1, false), (2, false)]);
        assert_eq!(gops.bytes_for(0, 0), Some(0..50));
    }

    #[test]
    fn picture_without_access_point_begins_at_beginning_of_part() {
        let gops = gops(&[(1, false), (0, false), (2, true)]);
        assert_eq!(gops.bytes_for(0, 0), Some(0..1000));
        assert!(!gops.has_access_at(0) && gops.has_access_at(20));
        assert_eq!(gops.last_access(), Some(20));
    }

    #[test]
    fn access_point_by_indicator_alone_is_skipped() {
        let mut gops = gops(&[(0, true), (1, false), (2, true), (3, false), (4, true), (5, false)]);
        gops.units[4].entry = Some(Entry::Claimed);
        assert_eq!(gops.bytes_for(5, 0), Some(20..1000));
        assert_eq!(gops.bytes_for(5, 1), Some(0..1000));
        assert!(!gops.has_access_at(40));
    }

    #[test]
    fn picture_of_gradual_refresh_begins_one_refresh_earlier() {
        let mut gops = gops(&[(0, true), (1, false), (2, true), (3, false), (4, true), (5, false)]);
        gops.units.iter_mut().filter(|unit| unit.entry.is_some()).for_each(|unit| {
            unit.entry = Some(Entry::Gradual);
        });
        assert_eq!(gops.bytes_for(5, 0), Some(20..1000));
        assert_eq!(gops.bytes_for(3, 0), Some(0..50));
        assert_eq!(gops.last_access(), Some(20));
    }
}
