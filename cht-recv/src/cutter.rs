//! Where a connection's bytes are cut into segments. Pure: bytes and arrival times in, offsets out.

use std::time::Instant;

use cht_core::{
    event::{Anchor, EndReason},
    timeline::{Step, Timeline},
    ts::{Damage, Found, Media, Pes, Program, Scanner},
};

/// A place where one segment ends and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The next segment's first byte, from the beginning of the connection.
    pub offset: u64,
    /// Why the segment before it ends.
    pub reason: EndReason,
    /// Where that segment lies.
    pub before: Place,
    /// The next segment's place on the timeline.
    pub anchor: Anchor,
}

/// Where a segment lies on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub anchor: Anchor,
    /// Ticks.
    pub length: i64,
}

/// What was seen since it was asked for the last time.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Transport packets.
    pub packets: u64,
    /// PIDs that the program tables list, if they came or changed.
    pub listed: Vec<u16>,
    /// The PID of each gap in a continuity counter.
    pub gaps: Vec<u16>,
}

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct Cutter<'a> {
    scanner: Scanner,
    state: State<'a>,
}

#[derive(Debug)]
struct State<'a> {
    timeline: &'a mut Timeline,
    /// Ticks.
    segment_time: i64,
    /// The PID whose clock and keyframes count.
    clock: Option<u16>,
    /// Whether that PID is video; audio gives the clock only where no video is announced.
    audio_only: bool,
    /// The growing segment's anchor.
    anchor: Option<Anchor>,
    /// Its pictures on the timeline.
    extent: Extent,
    cuts: Vec<Cut>,
    /// The tables were seen, or have changed.
    tables: bool,
    /// Its `packets` are those that were told already.
    seen: Seen,
}

impl<'a> Cutter<'a> {
    /// A new connection in the session of `timeline`. `segment_time` in ticks.
    pub(crate) fn new(timeline: &'a mut Timeline, segment_time: i64) -> Self {
        timeline.connect();
        let state = State {
            timeline,
            segment_time,
            clock: None,
            audio_only: false,
            anchor: None,
            extent: Extent::default(),
            cuts: Vec::new(),
            tables: false,
            seen: Seen::default(),
        };
        Self { scanner: Scanner::new(), state }
    }

    /// The next bytes, which arrived at `now`. Returns the cuts that are now certain, in order.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant) -> Vec<Cut> {
        let state = &mut self.state;
        self.scanner.push(bytes, &mut |found| state.observe(&found, now));
        std::mem::take(&mut self.state.cuts)
    }

    /// Bytes before this offset can be written: no later cut lies before it. Little more than 1 MiB stays behind.
    pub(crate) fn settled(&self) -> u64 {
        self.scanner.holdback()
    }

    /// The growing segment's place on the timeline, once a PTS was seen.
    pub(crate) fn anchor(&self) -> Option<Anchor> {
        self.state.anchor
    }

    /// Where the growing segment lies, up to the end of its last frame, once a PTS was seen.
    pub(crate) fn place(&self) -> Option<Place> {
        let length = |anchor: Anchor| self.state.extent.length_from(anchor.offset);
        self.state.anchor.map(|anchor| Place { anchor, length: length(anchor) })
    }

    /// What was seen since the last call.
    pub(crate) fn take_seen(&mut self) -> Seen {
        let packets = self.scanner.counters().packets;
        let told = Seen { packets, ..Seen::default() };
        let seen = std::mem::replace(&mut self.state.seen, told);
        Seen { packets: packets - seen.packets, ..seen }
    }

    /// PAT and PMT as packets, if they were seen or have changed since the last call.
    pub(crate) fn new_tables(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.state.tables).then(|| self.scanner.psi())?
    }
}

impl State<'_> {
    fn observe(&mut self, found: &Found<'_>, now: Instant) {
        match found {
            Found::Programs(programs) => self.choose_clock(programs),
            Found::Pes(pes) => self.observe_unit(pes, now),
            Found::Damage(Damage::Continuity { pid, .. }) => self.seen.gaps.push(*pid),
            _ => {}
        }
    }

    fn choose_clock(&mut self, programs: &[Program]) {
        self.tables = true;
        let streams = || programs.iter().flat_map(|program| &program.streams);
        self.seen.listed.extend(streams().map(|stream| stream.pid));
        self.audio_only = streams().next().is_some()
            && !streams().any(|stream| stream.codec.media() == Media::Video);
        if self.clock.is_some_and(|pid| streams().all(|stream| stream.pid != pid)) {
            // The video goes on under another PID, perhaps on another clock.
            self.clock = None;
            self.timeline.connect();
        }
    }

    fn observe_unit(&mut self, pes: &Pes, now: Instant) {
        let counts = pes.media == Media::Video || (self.audio_only && pes.media == Media::Audio);
        let Some(pts) = pes.pts.filter(|_| counts) else { return };
        if *self.clock.get_or_insert(pes.pid) != pes.pid {
            return;
        }
        let step = self.timeline.observe(pts, pes.dts, now);
        let Some(anchor) = self.timeline.anchor() else { return };
        let (reason, before) = match (step, self.anchor) {
            (_, None) => {
                self.anchor = Some(anchor);
                self.extent.observe(anchor.offset);
                return;
            }
            (Step::Start | Step::Jump, Some(begin)) => {
                let length = self.extent.length_from(begin.offset);
                (EndReason::Jump, Place { anchor: begin, length })
            }
            (Step::Continues, Some(begin)) => {
                let is_keyframe = pes.random_access || self.audio_only;
                let length = anchor.offset - begin.offset;
                if !is_keyframe || length < self.segment_time {
                    self.extent.observe(anchor.offset);
                    return;
                }
                (EndReason::Keyframe, Place { anchor: begin, length })
            }
        };
        self.anchor = Some(anchor);
        self.extent = Extent::default();
        self.extent.observe(anchor.offset);
        self.cuts.push(Cut { offset: pes.cut, reason, before, anchor });
    }
}

/// How far the pictures of a segment reach on the session's timeline, in ticks.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    /// The first and the last in the order of their display, which need not be that of their arrival.
    ends: Option<(i64, i64)>,
    units: i64,
}

impl Extent {
    fn observe(&mut self, offset: i64) {
        let (first, last) = self.ends.unwrap_or((offset, offset));
        self.ends = Some((first.min(offset), last.max(offset)));
        self.units += 1;
    }

    /// From `begin` to the end of the last picture, which lasts as long as they do on average; a single one counts
    /// for nothing.
    fn length_from(&self, begin: i64) -> i64 {
        let Some((first, last)) = self.ends else { return 0 };
        let frame = if self.units > 1 { (last - first) / (self.units - 1) } else { 0 };
        (last + frame - begin).max(0)
    }
}
