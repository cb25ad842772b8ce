//! Decides where a connection's bytes are cut into segments. Pure: bytes and arrival times in,
//! offsets out.

use std::time::{Duration, Instant};

use cht_core::{
    event::{Anchor, EndReason},
    timeline::{Extent, Placed, Stamp, Step, Timeline},
};
use cht_ts::{Damage, Found, Media, ParameterSets, Pes, Program, Scanner, time::ticks};

use super::limits::{Allowance, Arrival, SegmentLimits};
use crate::received::Seen;

/// Longest time and most bytes that a doubtful picture is held until the next one decides.
const DOUBT_TIME: Duration = Duration::from_secs(3);
const DOUBT_BYTES: u64 = 4 << 20;

/// A place where one segment ends and the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Offset of the next segment's first byte in the connection.
    pub offset: u64,
    /// Reason why the segment before it ends.
    pub reason: EndReason,
    /// Place of the segment before it, if a PTS was seen in it.
    pub before: Option<SegmentStart>,
    /// Anchor of the next segment, if it begins with a PTS.
    pub anchor: Option<Anchor>,
}

/// Place of a segment on the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentStart {
    pub anchor: Anchor,
    /// Length in ticks.
    pub length: i64,
}

/// Number of pictures and arrival time below which a segment counts as short, and ends only by
/// allowance.
const FEW_UNITS: i64 = 16;
const SHORT: Duration = Duration::from_secs(1);

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct Segmenter<'a> {
    scanner: Scanner,
    state: State<'a>,
}

#[derive(Debug)]
struct State<'a> {
    timeline: &'a mut Timeline,
    /// Minimum length of a segment, in ticks.
    segment_time: i64,
    bounds: SegmentLimits,
    /// Offset of the growing segment's first byte.
    begin: u64,
    arrival: Arrival,
    /// Whether the growing segment is overdue, and ends at the next picture.
    overdue: bool,
    /// Its minimum length, which is 0 if it is to end at the next keyframe.
    least: i64,
    /// The PID whose clock and keyframes count.
    clock: Option<u16>,
    /// Whether that PID is audio, because no video is announced.
    audio_only: bool,
    /// The growing segment's anchor.
    anchor: Option<Anchor>,
    /// Anchor of the picture in which the growing segment began, until one begins in it.
    within: Option<Anchor>,
    /// Its pictures on the timeline.
    extent: Extent,
    /// A picture off the timeline, and its arrival. No byte from it on is written until the next
    /// one decides.
    doubt: Option<(Pes, Instant)>,
    /// Limit of cuts that come sooner than any stream needs them.
    allowance: Allowance,
    cuts: Vec<Cut>,
    /// Whether tables were seen or have changed.
    tables: bool,
    /// Parameter sets that were returned with the tables.
    sets: Option<ParameterSets>,
    /// Its `packets` are those already reported.
    seen: Seen,
    /// Offsets and anchors of pictures, since they were last taken.
    starts: Vec<(u64, Anchor)>,
}

impl<'a> Segmenter<'a> {
    /// Starts a connection on the session's `timeline`. `segment_time` is in ticks.
    pub(crate) fn new(
        timeline: &'a mut Timeline,
        segment_time: i64,
        bounds: SegmentLimits,
    ) -> Self {
        timeline.connect();
        let state = State {
            timeline,
            segment_time,
            bounds,
            begin: 0,
            arrival: Arrival::default(),
            overdue: false,
            least: segment_time,
            clock: None,
            audio_only: false,
            anchor: None,
            within: None,
            extent: Extent::default(),
            doubt: None,
            allowance: Allowance::default(),
            cuts: Vec::new(),
            tables: false,
            sets: None,
            seen: Seen::default(),
            starts: Vec::new(),
        };
        Self { scanner: Scanner::new(), state }
    }

    /// Takes bytes that arrived at `now`. Returns the cuts that are now certain, in order.
    pub(crate) fn push(&mut self, mut bytes: &[u8], now: Instant) -> Vec<Cut> {
        let state = &mut self.state;
        state.overdue |= state.arrival.observe(now) >= state.bounds.time;
        state.settle_late(now);
        if state.overdue && state.arrival.is_silent(now) {
            self.cut_here(EndReason::MaxTime);
        }
        while !bytes.is_empty() {
            // At most up to the size limit, to keep it to the packet.
            let room = (self.state.begin + self.state.bounds.bytes) - self.scanner.position();
            let (now_due, later) = bytes.split_at(bytes.len().min(room as usize));
            let state = &mut self.state;
            self.scanner.push(now_due, &mut |found| state.observe(&found, now));
            bytes = later;
            let position = self.scanner.position();
            if self.state.doubt.is_some_and(|(pes, _)| position - pes.cut >= DOUBT_BYTES) {
                self.state.settle();
            }
            if self.scanner.position() >= self.state.begin + self.state.bounds.bytes {
                self.cut_here(EndReason::MaxBytes);
            }
        }
        std::mem::take(&mut self.state.cuts)
    }

    /// Ends the growing segment at the next keyframe.
    pub(crate) fn ask_for_cut(&mut self) {
        self.state.least = 0;
    }

    /// Notes that nothing has come up to `now`. Returns the cuts that are now certain.
    pub(crate) fn rest(&mut self, now: Instant) -> Vec<Cut> {
        self.state.settle_late(now);
        std::mem::take(&mut self.state.cuts)
    }

    /// Returns when the doubtful picture is decided, if nothing more comes.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.state.doubt.map(|(_, since)| since + DOUBT_TIME)
    }

    /// Ends the connection. Returns the last cuts.
    pub(crate) fn finish(&mut self) -> Vec<Cut> {
        // A last picture that continues none before it makes no segment.
        self.state.settle_as(false);
        std::mem::take(&mut self.state.cuts)
    }

    /// Ends the segment without a picture to end at: before the undecided one, or at a packet, or
    /// anywhere.
    fn cut_here(&mut self, reason: EndReason) {
        self.state.settle();
        let begin = self.state.begin;
        let places = [self.scanner.holdback(), self.scanner.boundary(), self.scanner.position()];
        if let Some(offset) = places.into_iter().find(|offset| *offset > begin) {
            let before = self.place();
            self.state.cut(Cut { offset, reason, before, anchor: None });
        }
    }

    /// Returns the offset up to which bytes can be written, because no later cut lies before it.
    /// Little more than 1 MiB is held back, or 4 MiB after a jump of the stream's clock.
    pub(crate) fn settled(&self) -> u64 {
        // Until its first picture is placed, the growing segment is not cut at a picture.
        let doubt = self.state.doubt.filter(|_| self.state.anchor.is_some());
        let doubt = doubt.map_or(u64::MAX, |(pes, _)| pes.cut);
        self.scanner.holdback().min(doubt)
    }

    /// Returns the growing segment's anchor, once a PTS was seen.
    pub(crate) fn anchor(&self) -> Option<Anchor> {
        self.state.anchor
    }

    /// Returns the place of the growing segment, up to the end of its last frame, once a PTS was
    /// seen.
    pub(crate) fn place(&self) -> Option<SegmentStart> {
        let length = |anchor: Anchor| self.state.extent.length_from(anchor.offset);
        let anchor = self.state.anchor.or(self.state.within);
        anchor.map(|anchor| SegmentStart { anchor, length: length(anchor) })
    }

    /// Takes the observations since the last call.
    pub(crate) fn take_seen(&mut self) -> Seen {
        let packets = self.scanner.counters().packets;
        let told = Seen { packets, ..Seen::default() };
        let seen = std::mem::replace(&mut self.state.seen, told);
        Seen { packets: packets - seen.packets, ..seen }
    }

    /// Takes the offsets and anchors of the pictures found since the last call.
    pub(crate) fn take_starts(&mut self) -> Vec<(u64, Anchor)> {
        std::mem::take(&mut self.state.starts)
    }

    /// Lets [`Self::new_tables`] return the tables again, for another session.
    pub(crate) fn repeat_tables(&mut self) {
        self.state.tables = true;
    }

    /// Returns PAT and PMT as packets, if they were seen or have changed since the last call,
    /// followed by the parameter sets of the video if keyframes come without.
    pub(crate) fn new_tables(&mut self) -> Option<Vec<u8>> {
        let state = &mut self.state;
        let lacking = state.clock.filter(|pid| self.scanner.lacks_parameters(*pid));
        let sets = lacking.and_then(|pid| Some((pid, self.scanner.parameter_sets(pid)?)));
        if let Some((_, sets)) = sets
            && state.sets.as_ref() != Some(sets)
        {
            state.sets = Some(sets.clone());
            state.tables = true;
        }
        let mut tables = std::mem::take(&mut state.tables).then(|| self.scanner.psi())??;
        if let Some((pid, sets)) = sets {
            tables.extend(sets.packets(pid));
        }
        Some(tables)
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
            // The video continues under another PID, perhaps on another clock.
            self.settle();
            self.clock = None;
            self.timeline.connect();
        }
    }

    fn observe_unit(&mut self, pes: &Pes, now: Instant) {
        let counts = pes.media == Media::Video || (self.audio_only && pes.media == Media::Audio);
        let Some(pts) = pes.pts.filter(|_| counts) else {
            if counts && pes.random_access {
                self.timeline.observe_unstamped();
            }
            return;
        };
        if *self.clock.get_or_insert(pes.pid) != pes.pid {
            return;
        }
        self.arrival.stamped(now);
        self.allowance.unit();
        let may_cut = self.may_cut(now);
        let observed = self.timeline.observe(Stamp { pts, dts: pes.dts, at: now }, may_cut);
        if let Some((doubt, since)) = self.doubt.take()
            && let Some(placed) = observed.before
        {
            self.placed(&doubt, placed, since);
        }
        match observed.this {
            Some(placed) => self.placed(pes, placed, now),
            None => self.doubt = Some((*pes, now)),
        }
    }

    /// Decides the doubtful picture without a next one.
    fn settle(&mut self) {
        self.settle_as(true);
    }

    /// Decides it if the next one has not come for long.
    fn settle_late(&mut self, now: Instant) {
        let is_late = |since| now.saturating_duration_since(since) >= DOUBT_TIME;
        if self.doubt.is_some_and(|(_, since)| is_late(since)) {
            self.settle();
        }
    }

    /// Decides it; after a jump, it is placed only if it `may_jump`.
    fn settle_as(&mut self, may_jump: bool) {
        if let Some((doubt, since)) = self.doubt.take()
            && let Some(placed) = self.timeline.settle(may_jump && self.may_cut(since))
        {
            self.placed(&doubt, placed, since);
        }
    }

    /// Returns whether the growing segment may end at a picture: it is long enough, or the
    /// allowance covers it.
    fn may_cut(&self, now: Instant) -> bool {
        self.extent.units() >= FEW_UNITS
            || self.arrival.lasted() >= SHORT
            || self.allowance.is_left(now)
    }

    /// Handles a placed picture that arrived at `now`.
    fn placed(&mut self, pes: &Pes, placed: Placed, now: Instant) {
        let Placed::At(step, anchor) = placed else {
            self.seen.strays += 1;
            self.extent.observe_stray();
            return;
        };
        self.starts.push((pes.offset, anchor));
        let Some(begin) = self.anchor else {
            self.anchor = Some(anchor);
            self.extend(anchor);
            return;
        };
        let (reason, length) = match step {
            Step::Start | Step::Jump => {
                (Some(EndReason::Jump), self.extent.length_from(begin.offset))
            }
            Step::Continues => {
                let length = anchor.offset - begin.offset;
                (self.reason_to_cut(pes, length), length)
            }
        };
        let may_cut = reason == Some(EndReason::MaxBytes) || self.may_cut(now);
        match reason.filter(|_| may_cut) {
            Some(reason) => {
                if self.extent.units() < FEW_UNITS && self.arrival.lasted() < SHORT {
                    self.allowance.take(now);
                }
                let before = Some(SegmentStart { anchor: begin, length });
                self.cut(Cut { offset: pes.cut, reason, before, anchor: Some(anchor) });
            }
            None if step == Step::Start => {
                // It is on a clock of its own, which the growing segment cannot relate to its own.
                (self.clock, self.seen.strays) = (None, self.seen.strays + 1);
                return self.timeline.connect();
            }
            None => {}
        }
        self.extend(anchor);
    }

    /// Adds the picture placed last to the growing segment.
    fn extend(&mut self, anchor: Anchor) {
        let decoded = self.timeline.decoded().unwrap_or(anchor.offset);
        self.extent.observe(anchor.offset, decoded);
    }

    /// Returns the reason to end the growing segment before a picture `length` ticks after its
    /// first, if there is one.
    fn reason_to_cut(&self, pes: &Pes, length: i64) -> Option<EndReason> {
        let is_keyframe = pes.random_access || self.audio_only;
        if is_keyframe && length >= self.least {
            Some(EndReason::Keyframe)
        } else if self.overdue || length >= ticks(self.bounds.time.as_secs_f64()) {
            Some(EndReason::MaxTime)
        } else if pes.cut.saturating_sub(self.begin) >= self.bounds.soft_bytes() {
            Some(EndReason::MaxBytes)
        } else {
            None
        }
    }

    fn cut(&mut self, cut: Cut) {
        self.anchor = cut.anchor;
        self.within = self.timeline.anchor().map(|last| last.within_picture());
        // A late decision may lie before a cut that a limit forced.
        self.begin = self.begin.max(cut.offset);
        self.extent = Extent::default();
        self.arrival.restart();
        (self.overdue, self.least) = (false, self.segment_time);
        self.cuts.push(cut);
    }
}

#[cfg(test)]
mod tests;
