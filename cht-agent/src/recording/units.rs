//! Pictures in a run of segments, in the order of decoding. Pure but for reading.

use std::{
    io::{self, Read as _},
    ops::Range,
    path::PathBuf,
};

use cht_core::{event::Anchor, storage::regular};
use cht_ts::{Entry, Found, Scanner};

/// Length of a read, in bytes.
const READ: usize = 256 << 10;

/// A PES packet of the video: in most streams, one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit {
    /// Which segment of the run it lies in.
    pub segment: usize,
    /// Byte of that segment where it begins, with the tables before it.
    pub offset: u64,
    /// Time in ticks of the session. `None` for another slice of the picture before.
    pub tick: Option<i64>,
    /// When it is decoded, in ticks of the session.
    pub decoded: i64,
    /// PTS as it stands in the stream.
    pub pts: u64,
    pub entry: Option<Entry>,
}

/// A segment of the run.
#[derive(Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// Bytes that were read.
    pub length: u64,
}

/// Pictures of one video in a run of segments.
#[derive(Debug, Default)]
pub(super) struct Units {
    pub segments: Vec<Segment>,
    pub all: Vec<Unit>,
    pub pid: Option<u16>,
}

/// A part of the run to decode.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Bytes of each segment, by its place in the run.
    pub bytes: Vec<(usize, Range<u64>)>,
}

impl Units {
    /// Adds the pictures of the next segment of the run.
    pub(super) fn read(&mut self, path: PathBuf, anchor: Anchor, tables: &[u8]) -> io::Result<()> {
        let mut file = regular::open(&path)?;
        let segment = self.segments.len();
        let mut scanner =
            if tables.is_empty() { Scanner::new() } else { Scanner::with_psi(tables) };
        let (mut buffer, mut pictures, mut length) = (vec![0; READ], Vec::new(), 0);
        let mut take = |found: Found<'_>| {
            if let Found::Pes(pes) = found
                && pes.media == cht_ts::Media::Video
            {
                pictures.push(pes);
            }
        };
        loop {
            let count = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            length += count as u64;
            scanner.push(&buffer[..count], &mut take);
        }
        scanner.finish(&mut take);
        let pid = *self.pid.get_or_insert(match scanner.video_pid() {
            Some(pid) => pid,
            None => return Ok(()),
        });
        for pes in pictures.iter().filter(|pes| pes.pid == pid) {
            let tick = pes.pts.map(|pts| anchor.place(pts as i64));
            let decoded = pes.dts.or(pes.pts).map(|dts| anchor.place(dts as i64));
            let before = self.all.last().map_or(anchor.offset, |unit| unit.decoded);
            self.all.push(Unit {
                segment,
                offset: pes.cut,
                tick,
                decoded: decoded.unwrap_or(before),
                pts: pes.pts.unwrap_or(0),
                entry: pes.entry,
            });
        }
        self.segments.push(Segment { path, length });
        Ok(())
    }

    /// Forgets the last picture, of which only a part may be here.
    pub(super) fn leave_out_last(&mut self) {
        let last = self.all.iter().rposition(|unit| unit.tick.is_some());
        self.all.truncate(last.unwrap_or(0));
    }

    /// Returns the picture that is on the screen at a tick: the last one that is shown at or before
    /// it. `None` for a tick stands for the newest.
    pub(super) fn shown_at(&self, tick: Option<i64>) -> Option<usize> {
        let until = tick.unwrap_or(i64::MAX);
        let shown = self.all.iter().enumerate().filter_map(|(at, unit)| Some((unit.tick?, at)));
        // Of two with one time, the decoder shows the first.
        shown
            .filter(|(tick, _)| *tick <= until)
            .max_by_key(|(tick, at)| (*tick, usize::MAX - at))
            .map(|(_, at)| at)
    }

    /// Returns the part to decode for a picture: from an access point, passing over the `skipped`
    /// nearest. `None` if there is no such access point.
    pub(super) fn part(&self, wanted: usize, skipped: usize) -> Option<Part> {
        let shown = self.all[wanted].tick?;
        let mut refreshes = 0;
        let accesses = self.all[..=wanted].iter().enumerate().rev().filter(|(_, unit)| {
            // A picture that is shown before its access point needs the one before.
            match unit.entry.filter(|_| unit.tick.is_some_and(|tick| tick <= shown)) {
                Some(Entry::Clean) => true,
                // Complete only after one whole refresh.
                Some(Entry::Gradual) => {
                    refreshes += 1;
                    refreshes > 1
                }
                Some(Entry::Claimed) | None => false,
            }
        });
        let from = accesses.map(|(at, _)| at).nth(skipped)?;
        Some(self.between(from, wanted))
    }

    /// Returns the part from the beginning of the run on.
    pub(super) fn whole_part(&self, wanted: usize) -> Part {
        let mut part = self.between(0, wanted);
        if let Some((segment, bytes)) = part.bytes.first_mut() {
            bytes.start = if *segment == 0 { 0 } else { bytes.start };
        }
        part
    }

    /// Returns the bytes from one picture on, to the end of another and of those that are decoded
    /// before that is shown.
    fn between(&self, from: usize, wanted: usize) -> Part {
        let first = &self.all[from];
        let shown = self.all[wanted].tick.unwrap_or(self.all[wanted].decoded);
        // Its last bytes may lie in the PES packet after it.
        let mut after = self.all[wanted + 1..].iter();
        let end = after
            .by_ref()
            .find(|unit| unit.tick.is_some() && unit.decoded > shown)
            .and_then(|_| after.find(|unit| unit.tick.is_some()));
        let last_segment = end.map_or(self.segments.len() - 1, |unit| unit.segment);
        let bytes = (first.segment..=last_segment).map(|segment| {
            let begin = if segment == first.segment { first.offset } else { 0 };
            let length = self.segments[segment].length;
            let end = end.filter(|unit| unit.segment == segment).map_or(length, |unit| unit.offset);
            (segment, begin..end)
        });
        Part { bytes: bytes.filter(|(_, bytes)| !bytes.is_empty()).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I P B B, I with two pictures shown before it, P; the second GOP in a segment of its own.
    fn units() -> Units {
        let order = [
            (0, true),
            (3, false),
            (1, false),
            (2, false),
            (6, true),
            (4, false),
            (5, false),
            (7, false),
        ];
        let units = order.iter().zip(0..).map(|(&(tick, is_access), n)| Unit {
            segment: usize::from(n >= 4),
            offset: (n % 4) * 10,
            tick: Some(tick),
            decoded: n as i64 - 1,
            pts: tick as u64,
            entry: is_access.then_some(Entry::Clean),
        });
        let segment = || Segment { path: PathBuf::new(), length: 40 };
        Units { segments: vec![segment(), segment()], all: units.collect(), pid: Some(1) }
    }

    #[test]
    fn picture_on_the_screen_is_the_last_one_shown() {
        let units = units();
        let shown = |tick| units.shown_at(tick).map(|at| units.all[at].tick.unwrap());
        assert_eq!((shown(Some(-1)), shown(Some(5)), shown(None)), (None, Some(5), Some(7)));
    }

    #[test]
    fn part_begins_at_an_access_point_and_reaches_over_the_border() {
        let units = units();
        let part = |tick, skipped| {
            let at = units.shown_at(Some(tick)).unwrap();
            units.part(at, skipped).map(|part| part.bytes)
        };
        // Shown before its access point: needs the GOP before.
        assert_eq!(part(5, 0), Some(vec![(0, 0..40), (1, 0..40)]));
        assert_eq!(part(6, 0), Some(vec![(1, 0..40)]));
        assert_eq!(part(6, 1), Some(vec![(0, 0..40), (1, 0..40)]));
        assert_eq!(part(0, 0), Some(vec![(0, 0..30)]));
        assert_eq!(part(0, 1), None);
    }

    #[test]
    fn unfinished_picture_is_left_out() {
        let mut units = units();
        units.leave_out_last();
        assert_eq!(units.shown_at(None), Some(4));
    }
}
