//! Pictures in a run of segments, in the order of decoding. Pure but for reading.

use std::{
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    ops::Range,
    path::PathBuf,
};

use cht_ts::{
    Accesses, Codec, Entry, Found, NULL_PID, PACKET_LEN, ParameterSets, Program, Pts, Scanner,
    SingleStream,
};

use crate::{event::Anchor, storage::regular};

/// Length of a read, in bytes.
const READ: usize = 256 << 10;

/// Length of the pieces after each of which it is known which parameter sets came, in bytes.
const PIECE: usize = 16 << 10;

/// A PES packet of the video: in most streams, one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Which segment of the run it lies in.
    pub segment: usize,
    /// Byte of that segment where it begins, with the tables before it.
    pub offset: u64,
    /// Time in ticks of the session. `None` for another slice of the picture before.
    pub tick: Option<i64>,
    /// When it is decoded, in ticks of the session.
    pub decoded: i64,
    /// PTS as it stands in the stream.
    pub pts: Pts,
    /// How decoding can begin here, if it can.
    pub entry: Option<Entry>,
}

/// A segment of the run.
#[derive(Debug)]
pub struct Segment {
    /// Where it was read.
    pub path: PathBuf,
    /// Bytes that were read.
    pub length: u64,
}

/// Pictures of one video in a run of segments.
#[derive(Debug, Default)]
pub struct Pictures {
    /// Segments of the run, one after another.
    pub segments: Vec<Segment>,
    /// Pictures in the order of decoding.
    pub all: Vec<Picture>,
    /// PID of the video, once a segment has shown it.
    pub pid: Option<u16>,
    /// Programs and their streams, as the last segment has them.
    pub programs: Vec<Program>,
    /// Parameter sets of the video, each from its place on, in order.
    sets: Vec<Sets>,
}

/// Parameter sets that a decoder has at a place.
#[derive(Debug)]
struct Sets {
    /// Segment of the run, and byte of it.
    place: (usize, u64),
    sets: ParameterSets,
}

/// Bytes of a run.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Bytes of each segment, by its place in the run.
    pub bytes: Vec<(usize, Range<u64>)>,
}

impl Pictures {
    /// Adds the pictures of the next segment of the run. `tables` are those of its connection, with
    /// its parameter sets.
    pub fn read(&mut self, path: PathBuf, anchor: Anchor, tables: &[u8]) -> io::Result<()> {
        let mut file = regular::open(&path)?;
        let segment = self.segments.len();
        let mut scanner =
            if tables.is_empty() { Scanner::new() } else { Scanner::with_psi(tables) };
        let (mut buffer, mut pictures, mut length) = (vec![0; READ], Vec::new(), 0);
        let mut sets: Vec<(u16, Sets)> = Vec::new();
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
            for piece in buffer[..count].chunks(PIECE) {
                scanner.push(piece, &mut take);
                length += piece.len() as u64;
                note_sets(&mut sets, &scanner, self.pid, (segment, length));
            }
        }
        scanner.finish(&mut take);
        note_sets(&mut sets, &scanner, self.pid, (segment, length));
        self.programs = scanner.programs().to_vec();
        let pid = *self.pid.get_or_insert(match scanner.video_pid() {
            Some(pid) => pid,
            None => return Ok(()),
        });
        if self.segments.is_empty() {
            let of_connection = sets_in(tables, pid).map(|sets| Sets { place: (0, 0), sets });
            self.sets.extend(of_connection);
        }
        self.sets.extend(sets.into_iter().filter(|(of, _)| *of == pid).map(|(_, sets)| sets));
        for pes in pictures.iter().filter(|pes| pes.pid == pid) {
            let tick = pes.pts.map(|pts| anchor.place(pts));
            let decoded = pes.dts.or(pes.pts).map(|dts| anchor.place(dts));
            let before = self.all.last().map_or(anchor.offset, |picture| picture.decoded);
            self.all.push(Picture {
                segment,
                offset: pes.cut,
                tick,
                decoded: decoded.unwrap_or(before),
                pts: pes.pts.unwrap_or_default(),
                entry: pes.entry,
            });
        }
        self.segments.push(Segment { path, length });
        Ok(())
    }

    /// Forgets the last picture, of which only a part may be here.
    pub fn leave_out_last(&mut self) {
        let last = self.all.iter().rposition(|picture| picture.tick.is_some());
        self.all.truncate(last.unwrap_or(0));
    }

    /// Returns the picture that is on the screen at a tick: the last one that is shown at or before
    /// it. `None` for a tick stands for the newest.
    #[must_use]
    pub fn shown_at(&self, tick: Option<i64>) -> Option<usize> {
        let until = tick.unwrap_or(i64::MAX);
        let shown =
            self.all.iter().enumerate().filter_map(|(at, picture)| Some((picture.tick?, at)));
        // Of two with one time, the decoder shows the first.
        shown
            .filter(|(tick, _)| *tick <= until)
            .max_by_key(|(tick, at)| (*tick, usize::MAX - at))
            .map(|(_, at)| at)
    }

    /// Tells whether the run has all that a decoder of its codec needs before the first picture.
    #[must_use]
    pub fn has_sets(&self) -> bool {
        !self.sets.is_empty() || !self.codec().is_some_and(ParameterSets::exist_in)
    }

    /// Returns the parameter sets that came last before a part, as some encoders send them once; or
    /// the first ones of the run.
    #[must_use]
    pub fn sets_before(&self, part: &Part) -> Option<&ParameterSets> {
        let begin = part.bytes.first().map_or((0, 0), |(segment, bytes)| (*segment, bytes.start));
        let before = self.sets.iter().rfind(|sets| sets.place <= begin);
        before.or(self.sets.first()).map(|it| &it.sets)
    }

    /// Writes the video of a part as a transport stream of its own, for a decoder that begins with
    /// it, after the parameter sets that it needs. `tables` are those of its connection.
    ///
    /// ffmpeg 5.1 moves the time stamps of all streams, in spite of `-copyts`, where one that it
    /// does not decode begins first (`ffmpeg.c`: "Correcting start time by").
    pub fn copy_video(&self, part: &Part, tables: &[u8], out: &mut impl Write) -> io::Result<()> {
        let (pid, mut head) = (self.pid.unwrap_or(NULL_PID), Vec::new());
        let single = self.codec().and_then(|codec| SingleStream::begin(pid, codec, &mut head));
        if single.is_none() {
            // Only the sender's tables describe it.
            out.write_all(tables)?;
            return self.copy(part, out);
        }
        if let (Some(sets), Some(first)) = (self.sets_before(part), self.first_of(part)) {
            let dts = first.pts - (first.tick.unwrap_or(first.decoded) - first.decoded);
            head.extend(sets.packets_at(pid, first.pts, dts));
        }
        out.write_all(&head)?;
        self.packets(part, pid, &mut |packet| out.write_all(packet))
    }

    /// Returns the first picture of a part.
    fn first_of(&self, part: &Part) -> Option<&Picture> {
        let (segment, bytes) = part.bytes.first()?;
        let begin = (*segment, bytes.start);
        let at = self.all.partition_point(|picture| (picture.segment, picture.offset) < begin);
        self.all[at..].iter().find(|picture| picture.tick.is_some())
    }

    /// Returns the codec of the video, if the tables have it.
    fn codec(&self) -> Option<Codec> {
        let mut streams = self.programs.iter().flat_map(|program| &program.streams);
        streams.find(|stream| Some(stream.pid) == self.pid).map(|stream| stream.codec)
    }

    /// Gives `take` each packet of a PID in a part.
    pub fn packets(
        &self,
        part: &Part,
        pid: u16,
        take: &mut dyn FnMut(&[u8; PACKET_LEN]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut packets = Packets { single: SingleStream::of(pid), take };
        self.copy(part, &mut packets)?;
        packets.end()
    }

    /// Writes the bytes of a part.
    fn copy(&self, part: &Part, out: &mut impl Write) -> io::Result<()> {
        for (segment, bytes) in &part.bytes {
            let mut file = regular::open(&self.segments[*segment].path)?;
            file.seek(SeekFrom::Start(bytes.start))?;
            io::copy(&mut file.take(bytes.end - bytes.start), out)?;
        }
        Ok(())
    }

    /// Returns the access point from which a picture can be decoded, passing over the `skipped`
    /// nearest. `None` if there is no such access point.
    #[must_use]
    pub fn access(&self, wanted: usize, skipped: usize) -> Option<usize> {
        let shown = self.all[wanted].tick?;
        let mut accesses = Accesses::default();
        let found = self.all[..=wanted].iter().enumerate().rev().filter(|(_, picture)| {
            // A picture that is shown before its access point needs the one before.
            let is_before = picture.tick.is_some_and(|tick| tick <= shown);
            accesses.takes(picture.entry.filter(|_| is_before))
        });
        found.map(|(at, _)| at).nth(skipped)
    }

    /// Returns the part to decode for a picture, from such an access point on.
    #[must_use]
    pub fn part(&self, wanted: usize, skipped: usize) -> Option<Part> {
        Some(self.between(self.access(wanted, skipped)?, wanted))
    }

    /// Returns the part from the beginning of the run on.
    #[must_use]
    pub fn whole_part(&self, wanted: usize) -> Part {
        let mut part = self.between(0, wanted);
        if let Some((segment, bytes)) = part.bytes.first_mut() {
            bytes.start = if *segment == 0 { 0 } else { bytes.start };
        }
        part
    }

    /// Returns the bytes from one picture on, to the end of another and of those that are decoded
    /// before that is shown.
    #[must_use]
    pub fn between(&self, from: usize, wanted: usize) -> Part {
        let first = &self.all[from];
        let shown = self.all[wanted].tick.unwrap_or(self.all[wanted].decoded);
        // Its last bytes may lie in the PES packet after it.
        let mut after = self.all[wanted + 1..].iter();
        let end = after
            .by_ref()
            .find(|picture| picture.tick.is_some() && picture.decoded > shown)
            .and_then(|_| after.find(|picture| picture.tick.is_some()));
        let last_segment = end.map_or(self.segments.len() - 1, |picture| picture.segment);
        let bytes = (first.segment..=last_segment).map(|segment| {
            let begin = if segment == first.segment { first.offset } else { 0 };
            let length = self.segments[segment].length;
            let end = end
                .filter(|picture| picture.segment == segment)
                .map_or(length, |picture| picture.offset);
            (segment, begin..end)
        });
        Part { bytes: bytes.filter(|(_, bytes)| !bytes.is_empty()).collect() }
    }
}

/// Returns the parameter sets of a PID in the tables of a connection.
fn sets_in(tables: &[u8], pid: u16) -> Option<ParameterSets> {
    let mut scanner = Scanner::new();
    scanner.push(tables, &mut |_| {});
    scanner.finish(&mut |_| {});
    scanner.parameter_sets(pid).cloned()
}

/// Notes the parameter sets of the video that a scanner has found up to a place, with their PID,
/// if they are others than before.
fn note_sets(
    noted: &mut Vec<(u16, Sets)>,
    scanner: &Scanner,
    pid: Option<u16>,
    place: (usize, u64),
) {
    let Some(pid) = pid.or_else(|| scanner.video_pid()) else { return };
    let Some(sets) = scanner.parameter_sets(pid) else { return };
    let last = noted.last();
    if last.is_some_and(|(of, last)| *of == pid && last.sets == *sets) {
        return;
    }
    // The entry before holds only a part of the sets that have come by now.
    noted.pop_if(|(of, last)| *of == pid && last.place.1 + PIECE as u64 >= place.1);
    noted.push((pid, Sets { place, sets: sets.clone() }));
}

/// Extracts the packets of one PID from the bytes that are written to it.
struct Packets<'a> {
    single: SingleStream,
    take: &'a mut dyn FnMut(&[u8; PACKET_LEN]) -> io::Result<()>,
}

impl Packets<'_> {
    fn end(&mut self) -> io::Result<()> {
        let mut taken = Ok(());
        self.single.finish_to(&mut |_, packet| {
            if taken.is_ok() {
                taken = (self.take)(packet);
            }
        });
        taken
    }
}

impl Write for Packets<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = Ok(());
        self.single.push_to(bytes, &mut |_, packet| {
            if taken.is_ok() {
                taken = (self.take)(packet);
            }
        });
        taken.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// I P B B, I with two pictures shown before it, P; the second GOP in a segment of its own.
    fn pictures() -> Pictures {
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
        let pictures = order.iter().zip(0..).map(|(&(tick, is_access), n)| Picture {
            segment: usize::from(n >= 4),
            offset: (n % 4) * 10,
            tick: Some(tick),
            decoded: n as i64 - 1,
            pts: Pts::new(tick),
            entry: is_access.then_some(Entry::Clean),
        });
        let segment = || Segment { path: PathBuf::new(), length: 40 };
        Pictures {
            segments: vec![segment(), segment()],
            all: pictures.collect(),
            pid: Some(1),
            ..Pictures::default()
        }
    }

    #[test]
    fn picture_on_the_screen_is_the_last_one_shown() {
        let pictures = pictures();
        let shown = |tick| pictures.shown_at(tick).map(|at| pictures.all[at].tick.unwrap());
        assert_eq!((shown(Some(-1)), shown(Some(5)), shown(None)), (None, Some(5), Some(7)));
    }

    #[test]
    fn part_begins_at_an_access_point_and_reaches_over_the_border() {
        let pictures = pictures();
        let part = |tick, skipped| {
            let at = pictures.shown_at(Some(tick)).unwrap();
            pictures.part(at, skipped).map(|part| part.bytes)
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
        let mut pictures = pictures();
        pictures.leave_out_last();
        assert_eq!(pictures.shown_at(None), Some(4));
    }
}
