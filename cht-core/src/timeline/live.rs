//! The timeline of a session while it is recorded: each picture is placed as it arrives, and a
//! clock that leaves its line is believed only when the next picture confirms it.

use std::time::{Duration, Instant};

use cht_ts::{Pts, time::TICKS_PER_SECOND};

use super::anchor::{MAX_AHEAD, MAX_BACK, MAX_REST, is_back};
use crate::event::Anchor;

/// Longest time by which a picture may be displayed before it is decoded, in ticks: no sender's
/// clock is that wrong. The time after it is bounded too: a slide show with B-frames delays each
/// picture by as long as slides rest.
const MAX_EARLY: i64 = 60 * TICKS_PER_SECOND;
const MAX_LATE: i64 = MAX_REST;
/// Longest step ahead that a picture may make without confirmation, in ticks.
const MAX_STEP: i64 = MAX_BACK;
/// Longest step that may be the distance of two pictures of moving video, in ticks.
const MAX_FRAME: i64 = TICKS_PER_SECOND;
/// Number of steps by which the display of a reordered picture may be delayed.
const REORDERED: i64 = 4;
/// Arrival time after which the pace of a line is known.
const PACE_KNOWN_AFTER: Duration = Duration::from_secs(5);
/// Longest time by which a stream sent in real time may be ahead of its arrival, in ticks: a
/// sender's buffer.
const MAX_BUFFERED: i64 = 30 * TICKS_PER_SECOND;
/// Number of successive pictures off the line after which any clock counts as a new line.
const MAX_STRAYS: u32 = 8;

/// The time stamps of a picture, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it is displayed.
    pub pts: Pts,
    /// When it is decoded; absent where it equals the PTS.
    pub dts: Option<Pts>,
    /// Arrival, by the monotonic clock.
    pub at: Instant,
}

impl Stamp {
    /// Returns the decoding time: the PTS if the stream gives none that can be true.
    fn decoding(&self) -> Pts {
        let is_true = |dts: &Pts| (-MAX_EARLY..=MAX_LATE).contains(&self.pts.since(*dts));
        self.dts.filter(is_true).unwrap_or(self.pts)
    }

    /// Returns the time from its decoding to its display, in ticks.
    fn delay(&self) -> i64 {
        self.pts.since(self.decoding())
    }

    /// Returns the distance to the decoding of `next`, in ticks.
    fn step_to(&self, next: &Self) -> i64 {
        next.decoding().since(self.decoding())
    }
}

/// How a picture follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first picture of a connection.
    Start,
    /// On the line of the one before.
    Continues,
    /// The stream's clock jumped: a new segment has to begin here.
    Jump,
}

/// Where a picture is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// On the timeline, at this anchor.
    At(Step, Anchor),
    /// Nowhere: its time stamps fit neither the line before nor the pictures after.
    Stray,
}

/// Decisions that one more picture makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The place of the picture before, if that was in doubt.
    pub before: Option<Placed>,
    /// The place of this one; `None` while it is in doubt.
    pub this: Option<Placed>,
}

/// The timeline of a session that is being recorded, fed with the stamps of every picture as it
/// arrives.
#[derive(Debug, Default)]
pub struct Timeline {
    line: Option<Line>,
    /// When the last picture arrived, and its tick on the session's timeline.
    last: Option<(Instant, i64)>,
    doubt: Option<Doubt>,
    /// Pictures off the line since the last one on it.
    strays: u32,
    /// The first picture of a connection, until the next one agrees with it.
    first: Option<Stamp>,
    /// Pictures before `first` that the next one did not agree with, or without time stamps.
    lost: u32,
}

#[derive(Debug)]
struct Line {
    anchor: Anchor,
    /// Decoding time of the last picture.
    dts: Pts,
    /// Arrival of its last picture.
    at: Instant,
    /// Arrival and session tick of its first picture.
    begun: (Instant, i64),
    /// The last distance of two pictures of moving video, in ticks.
    frame: i64,
    /// The longest distance of two pictures in decoding order, in ticks.
    stride: i64,
    /// How long after their decoding pictures are displayed: the last one, and the latest, in
    /// ticks.
    delay: i64,
    longest_delay: i64,
}

/// A picture off the line that the next one has to confirm.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    stamp: Stamp,
    /// Step to it, if it is confirmed.
    step: Step,
    is_ahead: bool,
    /// It is decoded on the line, and displayed where nothing before was.
    is_misplaced: bool,
}

impl Line {
    /// Returns the distance by which a picture that arrives at `at` may be ahead of the last one,
    /// in ticks. Time that passed on the monotonic clock may have passed for the sender, whose
    /// clock may run differently.
    fn reach(&self, at: Instant) -> i64 {
        rested(self.at, at)
    }

    /// Tells whether a picture is decoded where it should be and displayed at a time that cannot
    /// be, where pictures are a `stride` apart at most.
    fn is_misplaced(&self, stamp: &Stamp, stride: i64) -> bool {
        let latest = self.longest_delay.max(0) + REORDERED * stride + MAX_STEP;
        !(-MAX_STEP..=latest).contains(&stamp.delay())
    }

    /// Tells whether the sender is known to send in real time, so that a rest would show in its
    /// arrival.
    fn is_paced(&self, at: Instant) -> bool {
        let (begun, offset) = self.begun;
        let arrived = at.saturating_duration_since(begun);
        arrived >= PACE_KNOWN_AFTER
            && self.anchor.offset - offset <= ticks_of(arrived) + MAX_BUFFERED
    }

    fn doubt(&self, stamp: Stamp) -> Option<Doubt> {
        let decoding = stamp.decoding();
        if is_back(self.dts, decoding) {
            let step = Step::Jump;
            return Some(Doubt { stamp, step, is_ahead: false, is_misplaced: false });
        }
        let ahead = decoding.since(self.dts);
        let beyond = ahead - self.reach(stamp.at);
        (beyond > MAX_STEP)
            .then(|| {
                let is_jump = beyond > MAX_REST || (beyond > MAX_AHEAD && self.is_paced(stamp.at));
                let step = if is_jump { Step::Jump } else { Step::Continues };
                Doubt { stamp, step, is_ahead: true, is_misplaced: false }
            })
            .or_else(|| {
                let step = Step::Continues;
                let is_misplaced = self.is_misplaced(&stamp, self.stride);
                is_misplaced.then_some(Doubt { stamp, step, is_ahead: false, is_misplaced })
            })
    }
}

impl Doubt {
    /// Tells whether the picture at `next` goes on from this one, and not from the one before, at
    /// `previous`.
    fn is_confirmed_by(&self, next: &Stamp, previous: Pts) -> bool {
        let (this, next_decoding) = (self.stamp.decoding(), next.decoding());
        let distance = |from| next_decoding.since(from).abs();
        if is_back(this, next_decoding) || distance(previous) < distance(this) {
            return false;
        }
        // Of a slow slide show each picture may be far ahead of the one before.
        let reach = MAX_AHEAD + rested(self.stamp.at, next.at);
        self.is_ahead || next_decoding.since(this) <= reach
    }
}

impl Timeline {
    /// Returns a timeline that continues a session whose recorded part ends at `offset` ticks.
    #[must_use]
    pub fn continuing(offset: i64, now: Instant) -> Self {
        Self { last: Some((now, offset)), ..Self::default() }
    }

    /// Begins a new connection: its clock is unrelated to the one before.
    pub fn connect(&mut self) {
        (self.line, self.doubt, self.strays) = (None, None, 0);
        (self.first, self.lost) = (None, 0);
    }

    /// Takes a keyframe without time stamps. Before all others of a connection it takes a picture's
    /// time.
    pub fn observe_unstamped(&mut self) {
        if self.line.is_none() && self.first.is_none() {
            self.lost += 1;
        }
    }

    /// Takes a picture. It is in doubt if it is not on the line, or the first one: the next one
    /// decides. Unless it `may_jump`, a picture in doubt cannot begin a new line.
    pub fn observe(&mut self, stamp: Stamp, may_jump: bool) -> Observed {
        if self.line.is_none() {
            return self.observe_first(stamp, may_jump);
        }
        let before = self.doubt.take().map(|doubt| {
            let is_confirmed = self.line.as_ref().is_none_or(|line| {
                if doubt.is_misplaced {
                    // Of a slide show with B-frames each picture may be displayed long after its
                    // decoding.
                    let stride = line.stride.max(stamp.decoding().since(line.dts));
                    return line.is_misplaced(&stamp, line.stride)
                        || !line.is_misplaced(&doubt.stamp, stride);
                }
                doubt.is_confirmed_by(&stamp, line.dts)
            });
            let confirmed = is_confirmed || self.strays >= MAX_STRAYS;
            self.decide(doubt, confirmed, may_jump)
        });
        let Some(line) = &self.line else { return Observed { before, this: None } };
        self.doubt = line.doubt(stamp);
        if self.doubt.is_some() {
            return Observed { before, this: None };
        }
        Observed { before, this: Some(self.place(stamp, Step::Continues)) }
    }

    /// Takes a picture before there is a line: two that agree begin one.
    fn observe_first(&mut self, stamp: Stamp, may_jump: bool) -> Observed {
        let Some(first) = self.first.replace(stamp) else {
            return Observed { before: None, this: None };
        };
        let step = first.step_to(&stamp);
        let agree = (-MAX_BACK..=MAX_REST + rested(first.at, stamp.at)).contains(&step);
        if !agree && self.lost < MAX_STRAYS {
            self.lost += 1;
            return Observed { before: Some(Placed::Stray), this: None };
        }
        self.first = None;
        let frame = if (1..=MAX_FRAME).contains(&step) { step } else { 0 };
        // The first picture in display order need not come first.
        let reordered = first.pts.since(stamp.pts).clamp(0, MAX_STEP);
        let start = self.start(first, frame, reordered);
        Observed { before: Some(start), this: self.observe(stamp, may_jump).this }
    }

    /// Places the first picture of a line, whose pictures are a `frame` apart, and one before it
    /// that is displayed earlier by `step`.
    fn start(&mut self, first: Stamp, frame: i64, reordered: i64) -> Placed {
        // Keyframes before it without a time of their own are a picture each, displayed before all
        // others.
        let lost = i64::from(self.lost) * frame + if self.lost > 0 { reordered } else { 0 };
        let placed = self.place_at(first, Step::Start, if self.last.is_none() { lost } else { 0 });
        if let Some(line) = &mut self.line {
            line.frame = frame;
        }
        placed
    }

    /// Decides the picture in doubt without a next one: that takes too long, or there is none.
    pub fn settle(&mut self, may_jump: bool) -> Option<Placed> {
        if let Some(first) = self.first.take() {
            return Some(self.start(first, 0, 0));
        }
        let doubt = self.doubt.take()?;
        Some(self.decide(doubt, true, may_jump))
    }

    /// Returns the anchor at the last picture that was placed; `None` before the first of a
    /// connection.
    #[must_use]
    pub fn anchor(&self) -> Option<Anchor> {
        self.line.as_ref().map(|line| line.anchor)
    }

    /// Returns the session's tick at which the last picture that was placed is decoded.
    #[must_use]
    pub fn decoded(&self) -> Option<i64> {
        self.line.as_ref().map(|line| line.anchor.offset - line.delay)
    }

    /// Returns the last distance of two pictures of moving video, in ticks; 0 if none is known.
    #[must_use]
    pub fn frame(&self) -> i64 {
        self.line.as_ref().map_or(0, |line| line.frame)
    }

    /// Returns the PTS and DTS that the last stray would have on the line; before `next` was
    /// observed, those that the picture in doubt would have as a stray.
    #[must_use]
    pub fn expected(&self, next: Option<&Stamp>) -> Option<(Pts, Pts)> {
        let line = self.line.as_ref()?;
        let half = next.map(|next| next.decoding().since(line.dts) / 2);
        let half = half.filter(|half| line.frame == 0 && (1..=MAX_FRAME).contains(half));
        let frames = i64::from(self.strays) + i64::from(self.doubt.is_some());
        let dts = line.dts + half.unwrap_or(line.frame) * frames;
        Some((dts + line.delay.max(0), dts))
    }

    fn decide(&mut self, doubt: Doubt, confirmed: bool, may_jump: bool) -> Placed {
        if !confirmed || (doubt.step == Step::Jump && !may_jump) {
            self.strays += 1;
            return Placed::Stray;
        }
        self.place(doubt.stamp, doubt.step)
    }

    fn place(&mut self, stamp: Stamp, step: Step) -> Placed {
        self.place_at(stamp, step, 0)
    }

    /// Places a picture; the first one of all at `first`.
    fn place_at(&mut self, stamp: Stamp, step: Step, first: i64) -> Placed {
        let Stamp { pts, at, .. } = stamp;
        let frame = self.line.as_ref().map_or(0, |line| line.frame);
        let continued = self.line.take().filter(|_| step == Step::Continues);
        let delay = stamp.delay();
        let line = if let Some(line) = continued {
            let dts = stamp.decoding();
            let stride = dts.since(line.dts);
            let frame = if (1..=MAX_FRAME).contains(&stride) { stride } else { line.frame };
            // The anchor follows, so that it is never half a wrap late.
            let anchor = line.anchor.moved_to(pts);
            let (stride, longest_delay) = (line.stride.max(stride), line.longest_delay.max(delay));
            Line { anchor, dts, at, frame, stride, delay, longest_delay, ..line }
        } else {
            // The last picture lasts at least as long as those before it.
            let lasted = |then| ticks_of(at.saturating_duration_since(then)).max(frame);
            let offset = self.last.map_or(first, |(then, offset)| offset + lasted(then));
            let (dts, anchor, begun) = (stamp.decoding(), Anchor::first(pts, offset), (at, offset));
            Line { anchor, dts, at, begun, frame, stride: 0, delay, longest_delay: delay }
        };
        let anchor = line.anchor;
        let furthest = self.last.map_or(anchor.offset, |(_, before)| before.max(anchor.offset));
        self.last = Some((at, furthest));
        self.line = Some(line);
        self.strays = 0;
        Placed::At(step, anchor)
    }
}

/// Returns the time that may have passed for a sender between two arrivals, in ticks; its clock may
/// run differently.
fn rested(then: Instant, at: Instant) -> i64 {
    let rested = ticks_of(at.saturating_duration_since(then));
    rested + rested / 16
}

fn ticks_of(duration: Duration) -> i64 {
    (duration.as_nanos() * TICKS_PER_SECOND as u128 / 1_000_000_000) as i64
}

#[cfg(test)]
mod tests;
