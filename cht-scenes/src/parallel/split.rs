//! Where a stream is divided: pure.
//!
//! A **chunk** begins with a keyframe. Its decoder goes on into the next one by a few frames, for two reasons: frames that are shown
//! before a keyframe and come behind it need what was before, and so does the score of the first ones. The frames that two decoders
//! give of the same are a **join**.

use std::path::Path;

use cht_ts::{Entry, Found, Pes, Scanner, VideoFormat, time::difference33};

use crate::input::Bytes;

/// Luma samples in a chunk, at least: seconds of work, beside which starting a decoder costs little.
const SAMPLES: u64 = 500_000_000;

/// Frames in a chunk that is as long as it has to be, of any size, and where the size is not known.
const MOST: usize = 2000;
const USUAL: usize = 250;

/// So many units that are shown behind the keyframe belong to a join: as many frames, or half as many where a unit is a field.
const JOIN: usize = 4;

/// A keyframe behind which so many units do not tell which ones these are is no place to divide.
const LOOKED_AT: usize = 40;

/// A part of the stream for one decoder.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// None: the beginning.
    pub begins: Option<Join>,
    pub bytes: Vec<Bytes>,
    /// What of the next one is decoded as well.
    pub beyond: Vec<Bytes>,
    /// None: the end.
    pub ends: Option<Join>,
}

/// PTS (33 bits) of the first and the last frame that two decoders give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Join {
    pub from: u64,
    pub to: u64,
}

/// Divides the video of one PID.
#[derive(Debug)]
pub(crate) struct Divider {
    scanner: Scanner,
    plan: Plan,
}

#[derive(Debug)]
struct Plan {
    pid: u16,
    /// Where the file begins for the scanner, and how far it is read, in bytes.
    base: u64,
    position: u64,
    begins: Option<Join>,
    /// The chunk so far, the last one open.
    bytes: Vec<Bytes>,
    /// Units in it.
    units: usize,
    /// How many it has at least.
    least: usize,
    /// Where the next one may begin.
    next: Option<Keyframe>,
    /// Those that are complete.
    chunks: Vec<Chunk>,
}

/// A keyframe that another chunk may begin with.
#[derive(Debug)]
struct Keyframe {
    /// Where it lies: which of the chunk's bytes, and where in the file.
    file: usize,
    offset: u64,
    pts: u64,
    /// Units of the chunk before it.
    before: usize,
    /// PTS of what is shown behind it.
    later: Vec<u64>,
    /// The last frame of the join, once all before it are known.
    to: Option<u64>,
    /// The unit behind it has come.
    is_complete: bool,
}

impl Divider {
    /// Of the video `pid`.
    pub(crate) fn new(pid: u16) -> Self {
        let plan = Plan {
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

    /// What is pushed next lies in the file at `path`, from byte `from` on.
    pub(crate) fn enter(&mut self, path: &Path, from: u64) {
        self.leave();
        self.scanner = Scanner::new();
        (self.plan.base, self.plan.position) = (from, from);
        self.plan.bytes.push((path.to_owned(), from..from));
    }

    /// Takes the next bytes; gives the chunks that are complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> impl Iterator<Item = Chunk> + '_ {
        let Self { scanner, plan } = self;
        scanner.push(bytes, &mut |found| plan.take(&found));
        plan.position += bytes.len() as u64;
        let streams = scanner.programs().iter().flat_map(|program| &program.streams);
        let video = streams.filter(|stream| stream.pid == plan.pid).find_map(|stream| stream.video);
        plan.least = video.map_or(USUAL, least);
        plan.chunks.drain(..)
    }

    /// No more bytes: the last chunk.
    pub(crate) fn finish(&mut self) -> Chunk {
        self.leave();
        let bytes = std::mem::take(&mut self.plan.bytes);
        Chunk { begins: self.plan.begins, bytes, ..Chunk::default() }
    }

    /// The end of a file.
    fn leave(&mut self) {
        let position = self.plan.position;
        if let Some((_, last)) = self.plan.bytes.last_mut() {
            last.end = position;
        }
    }
}

/// Frames in a chunk, at least.
fn least(format: VideoFormat) -> usize {
    let samples = u64::from(format.width) * u64::from(format.height);
    SAMPLES.checked_div(samples).map_or(USUAL, |frames| (frames as usize).clamp(1, MOST))
}

impl Plan {
    fn take(&mut self, found: &Found<'_>) {
        match found {
            Found::Pes(pes) if pes.pid == self.pid => self.unit(pes),
            // What is shown here depends on what came before.
            Found::Damage(_) | Found::SyncLost { .. } => self.next = None,
            _ => {}
        }
    }

    fn unit(&mut self, pes: &Pes) {
        let offset = self.base + pes.offset;
        // A picture may end in the unit behind its own.
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

    /// The chunk ends before a keyframe, and its decoder goes on to the byte `up_to`.
    fn divide(&mut self, keyframe: &Keyframe, to: u64, up_to: u64) {
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
    /// Takes a unit that comes behind it. What is shown before the unit is decoded has all come.
    fn take(&mut self, pes: &Pes) {
        self.is_complete = self.to.is_some();
        let Some(pts) = pes.pts.filter(|_| !self.is_complete) else { return };
        let behind = |pts: u64| difference33(self.pts as i64, pts);
        if behind(pts) > 0 {
            self.later.push(pts);
        }
        self.later.sort_unstable_by_key(|&pts| behind(pts));
        let decoded = behind(pes.dts.unwrap_or(pts));
        self.to = self.later.get(JOIN - 1).copied().filter(|&to| behind(to) <= decoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cht_ts::Media;
    use std::{ops::Range, path::PathBuf};

    const PID: u16 = 0x100;

    /// Takes units of 10 bytes: PTS, DTS, and whether it is a keyframe.
    fn divide(plan: &mut Plan, units: &[(u64, u64, bool)]) -> Vec<Chunk> {
        for &(pts, dts, random_access) in units {
            let (offset, pts, dts) = (plan.position, Some(pts), Some(dts));
            let (pid, media) = (PID, Media::Video);
            let entry = random_access.then_some(Entry::Clean);
            let pes = Pes { offset, cut: offset, pid, media, pts, dts, random_access, entry };
            plan.take(&Found::Pes(pes));
            plan.position += 10;
        }
        plan.chunks.drain(..).collect()
    }

    fn plan() -> Plan {
        let mut divider = Divider::new(PID);
        divider.enter(Path::new("a"), 0);
        divider.plan.least = 3;
        divider.plan
    }

    fn bytes(range: Range<u64>) -> Vec<Bytes> {
        vec![("a".into(), range)]
    }

    #[test]
    fn a_chunk_ends_at_a_keyframe_and_goes_on_for_the_join() {
        let mut plan = plan();
        let units: Vec<_> = (0..13).map(|n| (n, n, n == 2 || n == 4)).collect();
        let chunks = divide(&mut plan, &units);
        let ends = Some(Join { from: 4, to: 8 });
        // The keyframe at 2 would make it too short.
        let first = Chunk { begins: None, bytes: bytes(0..40), beyond: bytes(40..100), ends };
        assert_eq!(chunks, [first]);
        assert_eq!((plan.begins, &plan.bytes), (ends, &bytes(40..100)));
        assert_eq!(plan.units, 9);
    }

    #[test]
    fn what_is_shown_before_is_waited_for() {
        let mut plan = plan();
        // I0 P3 B1 B2, then I6 with B4 and B5, which are shown before it; P9 B7 B8 P12 B10 B11 P15.
        let pts = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11, 15, 13];
        let units: Vec<_> =
            pts.into_iter().zip(0..).map(|(pts, n)| (pts + 2, n, pts % 6 == 0)).collect();
        let chunks = divide(&mut plan, &units);
        // The last of the join is 10, with 2 added: when what is decoded at 12 begins, all up to it has come.
        assert_eq!(chunks[0].ends, Some(Join { from: 8, to: 12 }));
        assert_eq!((&chunks[0].bytes, &chunks[0].beyond), (&bytes(0..40), &bytes(40..140)));
    }

    #[test]
    fn nothing_is_divided_where_the_stream_is_damaged() {
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
    fn a_chunk_may_lie_in_several_files_and_the_clock_may_wrap() {
        let wrap = |n: u64| ((1 << 33) - 5 + n) % (1 << 33);
        let mut divider = Divider::new(PID);
        divider.enter(Path::new("a"), 100);
        divider.plan.least = 3;
        let unit = |n: u64| (wrap(n), wrap(n), n == 3);
        let units: Vec<_> = (0..5).map(unit).collect();
        divider.plan.base = 0;
        assert!(divide(&mut divider.plan, &units).is_empty());
        divider.enter(Path::new("b"), 0);
        let units: Vec<_> = (5..11).map(unit).collect();
        let chunks = divide(&mut divider.plan, &units);
        let (a, b) = (PathBuf::from("a"), PathBuf::from("b"));
        assert_eq!(chunks[0].bytes, [(a.clone(), 100..130)]);
        assert_eq!(chunks[0].beyond, [(a.clone(), 130..150), (b.clone(), 0..40)]);
        assert_eq!(chunks[0].ends, Some(Join { from: wrap(3), to: wrap(7) }));
        let last = divider.finish();
        assert_eq!(last.bytes, [(a, 130..150), (b, 0..60)]);
        assert_eq!((last.begins, last.ends), (chunks[0].ends, None));
    }
}
