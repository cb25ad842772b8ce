//! Divides a stream into chunks; does no I/O.
//!
//! A **chunk** begins with a keyframe. Its decoder continues into the next chunk by a few frames,
//! for two reasons: frames that come after a keyframe but are displayed before it need earlier
//! frames, and so does the score of the first frames. The frames that two decoders both give are a
//! **join**.

use std::path::Path;

use cht_ts::{Entry, Found, Pes, Pts, Scanner, VideoFormat};

use crate::input::Bytes;

/// Least size of a chunk, in luma samples: seconds of work, so that it costs little in comparison
/// to start a decoder, a tenth of a second, and to decode again the pictures at its beginning that
/// it did not hand over.
const SAMPLES: u64 = 1_000_000_000;

/// Upper bound of a chunk's least length, and the least length where the picture size is not known,
/// in frames.
const MOST: usize = 2000;
const USUAL: usize = 250;

/// Length of a join, in access units displayed after the keyframe: 4 frames, or 2 for field-coded
/// video.
const JOIN: usize = 4;

/// Number of units after a keyframe in which the units of its join have to be found; else the
/// stream is not divided there.
const LOOKED_AT: usize = 40;

/// Describes a part of the stream for one decoder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Join at its beginning; none at the beginning of the stream.
    pub begins: Option<Join>,
    pub bytes: Vec<Bytes>,
    /// Bytes of the next chunk that are decoded as well.
    pub beyond: Vec<Bytes>,
    /// Join at its end; none at the end of the stream.
    pub ends: Option<Join>,
}

/// Holds the PTS of the first and the last frame that two decoders both give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Join {
    pub from: Pts,
    pub to: Pts,
}

/// Divides the video of one PID.
#[derive(Debug)]
pub(crate) struct Divider {
    scanner: Scanner,
    plan: ChunkPlan,
}

#[derive(Debug)]
struct ChunkPlan {
    pid: u16,
    /// Position in the file where the scanner began, and the position that was read to, in bytes.
    base: u64,
    position: u64,
    begins: Option<Join>,
    /// Byte ranges of the chunk so far; the last one is open.
    bytes: Vec<Bytes>,
    /// Units in the chunk.
    units: usize,
    /// Least number of units in the chunk.
    least: usize,
    /// Keyframe that the next chunk may begin with.
    next: Option<Keyframe>,
    /// Complete chunks.
    chunks: Vec<Chunk>,
}

/// Describes a keyframe that the next chunk may begin with.
#[derive(Debug)]
struct Keyframe {
    /// Index of its byte range in the chunk, and its position in that file, in bytes.
    file: usize,
    offset: u64,
    pts: Pts,
    /// Units of the chunk before it.
    before: usize,
    /// PTS of the units displayed after it.
    later: Vec<Pts>,
    /// PTS of the last frame of the join, once all frames before that are known.
    to: Option<Pts>,
    /// Whether the unit after the join has come.
    is_complete: bool,
}

impl Divider {
    /// Creates a divider for the video `pid`.
    pub(crate) fn new(pid: u16) -> Self {
        let plan = ChunkPlan {
            pid,
            base: 0,
            position: 0,
            begins: None,
            bytes: Vec::new(),
            units: 0,
            least: USUAL,
            next: None,
            chunks: Vec::new(),
        };
        Self { scanner: Scanner::new(), plan }
    }

    /// Notes that the next bytes lie in the file at `path`, from byte `from` on.
    pub(crate) fn enter(&mut self, path: &Path, from: u64) {
        self.leave();
        self.scanner = Scanner::new();
        (self.plan.base, self.plan.position) = (from, from);
        self.plan.bytes.push((path.to_owned(), from..from));
    }

    /// Takes the next bytes, and returns the chunks that are complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> impl Iterator<Item = Chunk> + '_ {
        let Self { scanner, plan } = self;
        scanner.push(bytes, &mut |found| plan.take(&found));
        plan.position += bytes.len() as u64;
        let streams = scanner.programs().iter().flat_map(|program| &program.streams);
        let video = streams.filter(|stream| stream.pid == plan.pid).find_map(|stream| stream.video);
        plan.least = video.map_or(USUAL, least);
        plan.chunks.drain(..)
    }

    /// Ends the input, and returns the last chunk.
    pub(crate) fn finish(&mut self) -> Chunk {
        self.leave();
        let bytes = std::mem::take(&mut self.plan.bytes);
        Chunk { begins: self.plan.begins, bytes, ..Chunk::default() }
    }

    /// Ends the last byte range at the end of a file.
    fn leave(&mut self) {
        let position = self.plan.position;
        if let Some((_, last)) = self.plan.bytes.last_mut() {
            last.end = position;
        }
    }
}

/// Returns the least number of frames in a chunk.
fn least(format: VideoFormat) -> usize {
    let samples = u64::from(format.width) * u64::from(format.height);
    SAMPLES.checked_div(samples).map_or(USUAL, |frames| (frames as usize).clamp(1, MOST))
}

impl ChunkPlan {
    fn take(&mut self, found: &Found<'_>) {
        match found {
            Found::Pes(pes) if pes.pid == self.pid => self.unit(pes),
            // The pictures from here on depend on earlier ones.
            Found::Damage(_) | Found::SyncLost { .. } => self.next = None,
            _ => {}
        }
    }

    fn unit(&mut self, pes: &Pes) {
        let offset = self.base + pes.offset;
        // A picture may end in the unit after its own.
        if let Some(next) = self.next.take_if(|next| next.is_complete)
            && let Some(to) = next.to
        {
            self.divide(&next, to, offset);
        }
        if let Some(next) = &mut self.next {
            next.take(pes);
        }
        self.next.take_if(|next| self.units > next.before + LOOKED_AT);
        if let (None, Some(Entry::Clean), Some(pts)) = (&self.next, pes.entry, pes.pts)
            && self.units >= self.least
        {
            let (file, before) = (self.bytes.len().saturating_sub(1), self.units);
            let (later, to, is_complete) = (Vec::new(), None, false);
            self.next = Some(Keyframe { file, offset, pts, before, later, to, is_complete });
        }
        self.units += 1;
    }

    /// Ends the chunk before a keyframe; its decoder continues to the byte `up_to`.
    fn divide(&mut self, keyframe: &Keyframe, to: Pts, up_to: u64) {
        if let Some((_, last)) = self.bytes.last_mut() {
            last.end = up_to;
        }
        let mut beyond = self.bytes.split_off(keyframe.file);
        if let Some((path, first)) = beyond.first_mut() {
            self.bytes.push((path.clone(), first.start..keyframe.offset));
            first.start = keyframe.offset;
        }
        let bytes = std::mem::replace(&mut self.bytes, beyond.clone());
        let join = Join { from: keyframe.pts, to };
        let begins = self.begins.replace(join);
        self.units -= keyframe.before;
        self.chunks.push(Chunk { begins, bytes, beyond, ends: Some(join) });
    }
}

impl Keyframe {
    /// Takes a unit that comes after the keyframe. All units displayed before this one is decoded
    /// have come.
    fn take(&mut self, pes: &Pes) {
        self.is_complete = self.to.is_some();
        let Some(pts) = pes.pts.filter(|_| !self.is_complete) else { return };
        let distance = |pts: Pts| pts.since(self.pts);
        if distance(pts) > 0 {
            self.later.push(pts);
        }
        self.later.sort_unstable_by_key(|&pts| distance(pts));
        let decoded = distance(pes.dts.unwrap_or(pts));
        self.to = self.later.get(JOIN - 1).copied().filter(|&to| distance(to) <= decoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_ts::Media;
    use std::{ops::Range, path::PathBuf};

    const PID: u16 = 0x100;

    /// Takes units of 10 bytes, given as PTS, DTS, and whether each is a keyframe.
    fn divide(plan: &mut ChunkPlan, units: &[(i64, i64, bool)]) -> Vec<Chunk> {
        for &(pts, dts, random_access) in units {
            let (offset, pts, dts) = (plan.position, Some(Pts::new(pts)), Some(Pts::new(dts)));
            let (pid, media) = (PID, Media::Video);
            let entry = random_access.then_some(Entry::Clean);
            let pes = Pes { offset, cut: offset, pid, media, pts, dts, random_access, entry };
            plan.take(&Found::Pes(pes));
            plan.position += 10;
        }
        plan.chunks.drain(..).collect()
    }

    fn plan() -> ChunkPlan {
        let mut divider = Divider::new(PID);
        divider.enter(Path::new("a"), 0);
        divider.plan.least = 3;
        divider.plan
    }

    fn join(from: i64, to: i64) -> Join {
        Join { from: Pts::new(from), to: Pts::new(to) }
    }

    fn bytes(range: Range<u64>) -> Vec<Bytes> {
        vec![("a".into(), range)]
    }

    #[test]
    fn chunk_ends_at_keyframe_and_continues_for_join() {
        let mut plan = plan();
        let units: Vec<_> = (0..13).map(|n| (n, n, n == 2 || n == 4)).collect();
        let chunks = divide(&mut plan, &units);
        let ends = Some(join(4, 8));
        // The keyframe at 2 would make it too short.
        let first = Chunk { begins: None, bytes: bytes(0..40), beyond: bytes(40..100), ends };
        assert_eq!(chunks, [first]);
        assert_eq!((plan.begins, &plan.bytes), (ends, &bytes(40..100)));
        assert_eq!(plan.units, 9);
    }

    #[test]
    fn join_waits_for_units_displayed_earlier() {
        let mut plan = plan();
        // I0 P3 B1 B2, then I6 with B4 and B5, which are displayed before it; P9 B7 B8 P12 B10 B11
        // P15.
        let pts = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11, 15, 13];
        let units: Vec<_> =
            pts.into_iter().zip(0..).map(|(pts, n)| (pts + 2, n, pts % 6 == 0)).collect();
        let chunks = divide(&mut plan, &units);
        // The join ends at 10, plus 2: when the unit decoded at 12 begins, all units up to it have
        // come.
        assert_eq!(chunks[0].ends, Some(join(8, 12)));
        assert_eq!((&chunks[0].bytes, &chunks[0].beyond), (&bytes(0..40), &bytes(40..140)));
    }

    #[test]
    fn damaged_stream_is_not_divided() {
        let mut plan = plan();
        assert!(divide(&mut plan, &[(0, 0, true), (1, 1, false), (2, 2, false)]).is_empty());
        divide(&mut plan, &[(3, 3, true), (4, 4, false)]);
        plan.take(&Found::SyncLost { offset: 0 });
        assert!(
            divide(&mut plan, &[(5, 5, false), (6, 6, false), (7, 7, false), (8, 8, false)])
                .is_empty()
        );
    }

    #[test]
    fn chunk_across_files_and_clock_wrap_is_one() {
        let wrap = |n: i64| n - 5;
        let mut divider = Divider::new(PID);
        divider.enter(Path::new("a"), 100);
        divider.plan.least = 3;
        let unit = |n: i64| (wrap(n), wrap(n), n == 3);
        let units: Vec<_> = (0..5).map(unit).collect();
        divider.plan.base = 0;
        assert!(divide(&mut divider.plan, &units).is_empty());
        divider.enter(Path::new("b"), 0);
        let units: Vec<_> = (5..11).map(unit).collect();
        let chunks = divide(&mut divider.plan, &units);
        let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
        assert_eq!(chunks[0].bytes, [(a.clone(), 100..130)]);
        assert_eq!(chunks[0].beyond, [(a.clone(), 130..150), (b.clone(), 0..40)]);
        assert_eq!(chunks[0].ends, Some(join(wrap(3), wrap(7))));
        let last = divider.finish();
        assert_eq!(last.bytes, [(a, 130..150), (b, 0..60)]);
        assert_eq!((last.begins, last.ends), (chunks[0].ends, None));
    }
}
