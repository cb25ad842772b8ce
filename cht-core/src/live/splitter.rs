//! Divides a stream, as it grows, into pieces that begin at the places where decoding can begin.
//! Pure.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use cht_ts::{Codec, Found, Media, Pes, Program, ProgramFilter, Scanner, Stream};

use super::{piece::Piece, selection::Wanted};

/// Sound packets without a picture after which each of them is an entry point: announced video
/// that does not come.
const SOUND_ALONE: u32 = 100;

/// Recognises the places where decoding can begin.
#[derive(Debug, Default)]
pub(super) struct Entries {
    wanted: Wanted,
    /// Streams that are shown; `None` for all.
    filter: Option<ProgramFilter>,
    /// Streams that are there instead of the wanted ones.
    others: Option<String>,
    has_video: bool,
    /// Sound packets since the last picture.
    sounds: u32,
}

impl Entries {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Notes the streams that the tables announce.
    pub(super) fn announce(&mut self, programs: &[Program]) {
        if self.wanted.is_any() {
            let filter = self.wanted.filter(programs);
            self.others = filter.as_ref().err().cloned();
            self.filter = filter.ok();
        }
        let has_video = self.streams(programs).any(|stream| stream.media() == Media::Video);
        self.has_video = has_video;
    }

    /// Returns the streams that are shown.
    fn streams<'a>(&'a self, programs: &'a [Program]) -> impl Iterator<Item = &'a Stream> {
        let streams = programs.iter().flat_map(|program| &program.streams);
        streams.filter(|stream| self.shows(stream.pid))
    }

    /// Returns the packets of the stream's next bytes that are shown.
    fn shown(&mut self, bytes: &[u8]) -> Arc<[u8]> {
        match &mut self.filter {
            None if self.wanted.is_any() => [].into(),
            None => bytes.into(),
            Some(filter) => filtered(filter, bytes),
        }
    }

    /// Returns the packets of an entry point's tables that are shown. They are no part of the
    /// stream, which may be within a table of its own.
    fn shown_tables(&self, tables: &[u8]) -> Arc<[u8]> {
        match &self.filter {
            None if self.wanted.is_any() => [].into(),
            None => tables.into(),
            Some(filter) => filtered(&mut filter.clone(), tables),
        }
    }

    fn shows(&self, pid: u16) -> bool {
        match &self.filter {
            Some(filter) => filter.keeps(pid),
            None => !self.wanted.is_any(),
        }
    }

    /// Tells whether decoding can begin with this PES packet: a keyframe, or any sound of a stream
    /// that has no video.
    pub(super) fn is_entry(&mut self, pes: &Pes) -> bool {
        match pes.media {
            _ if !self.shows(pes.pid) => false,
            Media::Video => {
                (self.has_video, self.sounds) = (true, 0);
                pes.random_access
            }
            Media::Audio => {
                self.sounds = self.sounds.saturating_add(1);
                pes.pts.is_some() && (!self.has_video || self.sounds > SOUND_ALONE)
            }
            Media::Other => false,
        }
    }
}

fn filtered(filter: &mut ProgramFilter, bytes: &[u8]) -> Arc<[u8]> {
    let mut out = Vec::with_capacity(bytes.len());
    filter.filter(bytes, &mut out);
    out.into()
}

/// A stream's format and totals, for people.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// PID and codec of the video.
    pub video: Option<(u16, Codec)>,
    /// PID and codec of the first sound.
    pub sound: Option<(u16, Codec)>,
    /// Width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// Pictures so far.
    pub pictures: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Gaps in continuity counters so far.
    pub lost: u64,
}

impl Summary {
    /// Returns what a player knows from its start on: PID and codec of video and sound. The layer
    /// of MPEG audio, which the tables do not give, makes no difference.
    #[must_use]
    pub fn layout(&self) -> [Option<(u16, Codec)>; 2] {
        let common = |(pid, codec)| match codec {
            Codec::Mp1 | Codec::Mp3 => (pid, Codec::Mp2),
            _ => (pid, codec),
        };
        [self.video, self.sound.map(common)]
    }
}

/// Divides one stream.
#[derive(Debug)]
pub(super) struct Splitter {
    scanner: Scanner,
    entries: Entries,
    /// Bytes not handed out yet, and the offset of the first of them.
    rest: Vec<u8>,
    at: u64,
    /// Offsets of entry points in `rest` or after it.
    cuts: VecDeque<u64>,
    summary: Summary,
}

impl Splitter {
    /// Returns a splitter for a stream of which the tables are known, and which may begin at an
    /// entry point.
    pub(super) fn new(tables: &[u8], is_entry: bool, wanted: Wanted) -> Self {
        let scanner = Scanner::with_psi(tables);
        let mut entries = Entries::new(wanted);
        entries.announce(scanner.programs());
        let (rest, cuts) = (Vec::new(), is_entry.then_some(0).into_iter().collect());
        Self { scanner, entries, rest, at: 0, cuts, summary: Summary::default() }
    }

    pub(super) fn summary(&self) -> Summary {
        self.summary
    }

    /// Returns the tables as the stream has them now, and whether its keyframes lack parameter
    /// sets.
    pub(super) fn tables(&self) -> (Vec<u8>, bool) {
        let lacks = self.video_pid().is_some_and(|pid| self.scanner.lacks_parameters(pid));
        (self.scanner.psi().unwrap_or_default(), lacks)
    }

    /// Returns a list of the programs if the wanted one is not among them, once.
    pub(super) fn take_others(&mut self) -> Option<String> {
        self.entries.others.take()
    }

    fn video_pid(&self) -> Option<u16> {
        if self.entries.filter.is_none() {
            return self.scanner.video_pid();
        }
        let mut streams = self.entries.streams(self.scanner.programs());
        streams.find(|stream| stream.media() == Media::Video).map(|stream| stream.pid)
    }

    /// Takes the next bytes. Hands out all that are decided: `entry` is asked for the tables of
    /// each entry point.
    pub(super) fn push(
        &mut self,
        bytes: &[u8],
        now: Instant,
        entry: &mut dyn FnMut(&Self) -> Arc<[u8]>,
        out: &mut Vec<Piece>,
    ) {
        self.rest.extend_from_slice(bytes);
        let Self { scanner, entries, cuts, summary, .. } = self;
        scanner.push(bytes, &mut |found| look(entries, cuts, summary, &found));
        let decided = self.scanner.holdback();
        self.hand_out(decided, now, entry, out);
    }

    /// Hands out the rest, at the end of the stream.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        entry: &mut dyn FnMut(&Self) -> Arc<[u8]>,
        out: &mut Vec<Piece>,
    ) {
        let Self { scanner, entries, cuts, summary, .. } = self;
        scanner.finish(&mut |found| look(entries, cuts, summary, &found));
        let end = self.at + self.rest.len() as u64;
        self.hand_out(end, now, entry, out);
    }

    fn hand_out(
        &mut self,
        end: u64,
        now: Instant,
        entry: &mut dyn FnMut(&Self) -> Arc<[u8]>,
        out: &mut Vec<Piece>,
    ) {
        self.describe();
        let mut used = 0;
        while self.at < end {
            let is_entry = self.cuts.front().is_some_and(|cut| *cut <= self.at);
            while self.cuts.front().is_some_and(|cut| *cut <= self.at) {
                self.cuts.pop_front();
            }
            let next = self.cuts.front().map_or(end, |cut| end.min(*cut));
            let until = used + (next - self.at) as usize;
            let bytes = self.entries.shown(&self.rest[used..until]);
            let entry = is_entry.then(|| self.entries.shown_tables(&entry(self)));
            out.push(Piece { bytes, entry, arrived: now });
            (self.at, used) = (next, until);
        }
        self.rest.drain(..used);
    }

    fn describe(&mut self) {
        let scanner = &self.scanner;
        let is_listed =
            |pid: &u16| self.entries.streams(scanner.programs()).any(|stream| stream.pid == *pid);
        // Of several videos, always the same one, as long as it is there.
        let before = self.summary.video.map(|video| video.0).filter(is_listed);
        let video = before.or_else(|| self.video_pid());
        let mut streams = self.entries.streams(scanner.programs());
        let sound = streams.find(|stream| stream.media() == Media::Audio);
        let listed = self.entries.streams(scanner.programs()).find(|it| Some(it.pid) == video);
        self.summary = Summary {
            video: video.and_then(|pid| Some((pid, scanner.codec_of(pid)?))),
            sound: sound.map(|stream| (stream.pid, stream.codec)),
            size: listed.and_then(|stream| stream.video).map(|it| (it.width, it.height)),
            bytes: scanner.position(),
            lost: scanner.counters().continuity_errors,
            ..self.summary
        };
    }
}

fn look(entries: &mut Entries, cuts: &mut VecDeque<u64>, summary: &mut Summary, found: &Found<'_>) {
    match found {
        Found::Programs(programs) => entries.announce(programs),
        Found::Pes(pes) => {
            let is_picture = pes.media == Media::Video && pes.pts.is_some();
            summary.pictures += u64::from(is_picture && entries.shows(pes.pid));
            if entries.is_entry(pes) {
                cuts.push_back(pes.cut);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_ts::testutil;

    /// Pieces of a stream that is pushed in parts of `size`, as text: `*` begins an entry point.
    fn split(stream: &[u8], size: usize) -> (Vec<Piece>, Vec<u8>) {
        let now = crate::process::clock::monotonic();
        let mut splitter = Splitter::new(&[], false, Wanted::default());
        let mut tables = |splitter: &Splitter| Arc::from(splitter.tables().0);
        let mut out = Vec::new();
        for part in stream.chunks(size) {
            splitter.push(part, now, &mut tables, &mut out);
        }
        splitter.finish(now, &mut tables, &mut out);
        let joined = out.iter().flat_map(|piece| piece.bytes.iter().copied()).collect();
        (out, joined)
    }

    fn tables(stream_type: u8) -> Vec<u8> {
        let pat = testutil::pat(0, 0, 0, &[(1, 0x100)]);
        let pmt = testutil::pmt(1, 0, 0x101, &[(stream_type, 0x101, b"")]);
        let mut stream = testutil::section_packets(0, &[&pat], 0).concat();
        stream.extend(testutil::section_packets(0x100, &[&pmt], 0).concat());
        stream
    }

    #[test]
    fn pieces_begin_at_keyframes_and_are_the_stream() {
        let pictures: Vec<(i64, bool)> = (0..12).map(|n| (n * 3600, n % 4 == 0)).collect();
        let mut stream = tables(0x1B);
        stream.extend(testutil::h264(0x101, &pictures));
        for size in [1, 188, 500, 100_000] {
            let (pieces, joined) = split(&stream, size);
            assert_eq!(joined, stream);
            let entries: Vec<_> = pieces.iter().filter_map(|piece| piece.entry.clone()).collect();
            assert_eq!(entries.len(), 3, "in parts of {size}");
            assert!(entries.iter().all(|tables| tables.starts_with(&[0x47, 0x40, 0])));
        }
    }

    #[test]
    fn one_of_two_videos_stays_the_described_one() {
        let pat = testutil::pat(0, 0, 0, &[(1, 0x100)]);
        let pmt = testutil::pmt(1, 0, 0x101, &[(0x1B, 0x101, b""), (0x1B, 0x102, b"")]);
        let mut stream = testutil::section_packets(0, &[&pat], 0).concat();
        stream.extend(testutil::section_packets(0x100, &[&pmt], 0).concat());
        let mut splitter = Splitter::new(&stream, false, Wanted::default());
        let now = crate::process::clock::monotonic();
        let mut described = Vec::new();
        // By the number of pictures, the one or the other would be it.
        for pid in [0x101, 0x102, 0x102, 0x102, 0x101] {
            let bytes = testutil::h264(pid, &[(9000, true), (12_600, false)]);
            splitter.push(&bytes, now, &mut |_| [].into(), &mut Vec::new());
            described.push(splitter.summary().video.map(|video| video.0));
        }
        assert_eq!(described, [Some(0x101); 5]);
    }

    #[test]
    fn bytes_that_are_no_stream_have_no_entry() {
        let (pieces, joined) = split(&[7; 5000], 1000);
        assert_eq!(
            (joined.len(), pieces.iter().filter(|it| it.entry.is_some()).count()),
            (5000, 0)
        );
    }
}
