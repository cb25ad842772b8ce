//! The timeline of a session while it is recorded: each picture is placed as it arrives, and a clock
//! that leaves its line is believed only when the next picture confirms it.

use std::time::{Duration, Instant};

use super::{Anchor, MAX_AHEAD, is_back};
use crate::time::{TICKS_PER_SECOND, difference33, unwrap33};

/// Longest distance between the decoding and the presentation of a picture, in ticks (stills: 60 s,
/// ISO/IEC 13818-1 §2.7.5). A DTS that is further away is ignored.
const MAX_DELAY: i64 = 60 * TICKS_PER_SECOND;
/// Arrival time after which the pace of a line is known.
const PACE_KNOWN_AFTER: Duration = Duration::from_secs(5);
/// How far a stream that is sent in real time may be ahead of its arrival, in ticks: a sender's buffer.
const MAX_BUFFERED: i64 = 30 * TICKS_PER_SECOND;
/// Pictures off the line, one after another, after which any clock is taken for a new line.
const MAX_STRAYS: u32 = 8;

/// The time stamps of a picture, and when it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// 33 bits.
    pub pts: u64,
    /// 33 bits; absent where it equals the PTS.
    pub dts: Option<u64>,
    /// Arrival, by the monotonic clock.
    pub at: Instant,
}

impl Stamp {
    /// The decoding time; the PTS where the stream says none that can be true.
    fn decoding(&self) -> u64 {
        let is_true =
            |dts: &u64| (-MAX_DELAY..=MAX_DELAY).contains(&difference33(*dts as i64, self.pts));
        self.dts.filter(is_true).unwrap_or(self.pts)
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

/// What one more picture decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The place of the picture before, if that was in doubt.
    pub before: Option<Placed>,
    /// The place of this one; `None` while it is in doubt.
    pub this: Option<Placed>,
}

/// The timeline of a session that is being recorded, fed with the stamps of every picture as it arrives.
#[derive(Debug, Default)]
pub struct Timeline {
    line: Option<Line>,
    /// When the last picture arrived, and its tick on the session's timeline.
    last: Option<(Instant, i64)>,
    doubt: Option<Doubt>,
    /// Pictures off the line since the last one on it.
    strays: u32,
}

#[derive(Debug)]
struct Line {
    anchor: Anchor,
    /// Decoding time of the last picture, unwrapped.
    dts: i64,
    /// Arrival of its last picture.
    at: Instant,
    /// Arrival and session tick of its first picture.
    begun: (Instant, i64),
}

/// A picture off the line that the next one has to confirm.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    stamp: Stamp,
    /// What it is if it is confirmed.
    step: Step,
    is_ahead: bool,
}

impl Line {
    /// How far a picture that arrives at `at` may be ahead of the last one, in ticks. What has passed
    /// on the monotonic clock may have passed for the sender, whose clock need not run alike.
    fn reach(&self, at: Instant) -> i64 {
        let rested = ticks_of(at.saturating_duration_since(self.at));
        MAX_AHEAD + rested + rested / 16
    }

    /// Whether the sender is known to send in real time, so that a rest would show in its arrival.
    fn is_paced(&self, at: Instant) -> bool {
        let (begun, offset) = self.begun;
        let arrived = at.saturating_duration_since(begun);
        arrived >= PACE_KNOWN_AFTER
            && self.anchor.offset - offset <= ticks_of(arrived) + MAX_BUFFERED
    }

    fn doubt(&self, stamp: Stamp) -> Option<Doubt> {
        let decoding = stamp.decoding();
        if is_back(self.dts, decoding) {
            return Some(Doubt { stamp, step: Step::Jump, is_ahead: false });
        }
        let ahead = difference33(self.dts, decoding);
        (ahead > self.reach(stamp.at)).then(|| {
            let step = if self.is_paced(stamp.at) { Step::Jump } else { Step::Continues };
            Doubt { stamp, step, is_ahead: true }
        })
    }
}

impl Doubt {
    /// Whether the picture at `next` goes on from this one, and not from the one before, at `previous`.
    fn is_confirmed_by(&self, next: &Stamp, previous: i64) -> bool {
        let (this, next_decoding) = (self.stamp.decoding() as i64, next.decoding());
        let distance = |from| difference33(from, next_decoding).abs();
        if is_back(this, next_decoding) || distance(previous) < distance(this) {
            return false;
        }
        // Of a slow slide show each picture may be far ahead of the one before.
        let rested = ticks_of(next.at.saturating_duration_since(self.stamp.at));
        self.is_ahead || difference33(this, next_decoding) <= MAX_AHEAD + rested + rested / 16
    }
}

impl Timeline {
    /// A timeline that continues a session whose recorded part ends at `offset` ticks.
    #[must_use]
    pub fn continuing(offset: i64, now: Instant) -> Self {
        Self { last: Some((now, offset)), ..Self::default() }
    }

    /// A new connection: its clock has nothing to do with the one before.
    pub fn connect(&mut self) {
        (self.line, self.doubt, self.strays) = (None, None, 0);
    }

    /// A picture has arrived. It is in doubt if it is not on the line: the next one decides. Unless it
    /// `may_jump`, a picture in doubt cannot begin a new line.
    pub fn observe(&mut self, stamp: Stamp, may_jump: bool) -> Observed {
        let before = self.doubt.take().map(|doubt| {
            let previous = self.line.as_ref().map_or(0, |line| line.dts);
            let confirmed = doubt.is_confirmed_by(&stamp, previous) || self.strays >= MAX_STRAYS;
            self.decide(doubt, confirmed, may_jump)
        });
        let this = match &self.line {
            None => Some(self.place(stamp, Step::Start)),
            Some(line) => {
                self.doubt = line.doubt(stamp);
                self.doubt.is_none().then(|| self.place(stamp, Step::Continues))
            }
        };
        Observed { before, this }
    }

    /// Decides the picture in doubt without a next one: that takes too long, or there is none.
    pub fn settle(&mut self, may_jump: bool) -> Option<Placed> {
        let doubt = self.doubt.take()?;
        Some(self.decide(doubt, true, may_jump))
    }

    /// The anchor at the last picture that was placed; `None` before the first of a connection.
    #[must_use]
    pub fn anchor(&self) -> Option<Anchor> {
        self.line.as_ref().map(|line| line.anchor)
    }

    fn decide(&mut self, doubt: Doubt, confirmed: bool, may_jump: bool) -> Placed {
        if !confirmed || (doubt.step == Step::Jump && !may_jump) {
            self.strays += 1;
            return Placed::Stray;
        }
        self.place(doubt.stamp, doubt.step)
    }

    fn place(&mut self, stamp: Stamp, step: Step) -> Placed {
        let Stamp { pts, at, .. } = stamp;
        let continued = self.line.take().filter(|_| step == Step::Continues);
        let line = if let Some(line) = continued {
            let dts = unwrap33(line.dts, stamp.decoding());
            // The anchor follows, so that it is never half a wrap behind.
            Line { anchor: line.anchor.moved_to(unwrap33(dts, pts)), dts, at, ..line }
        } else {
            let offset = self
                .last
                .map_or(0, |(then, offset)| offset + ticks_of(at.saturating_duration_since(then)));
            // `dts` may lie before zero when PTS has just wrapped and DTS has not.
            let dts = unwrap33(pts as i64, stamp.decoding());
            Line { anchor: Anchor { pts: pts as i64, offset }, dts, at, begun: (at, offset) }
        };
        let anchor = line.anchor;
        let furthest = self.last.map_or(anchor.offset, |(_, before)| before.max(anchor.offset));
        self.last = Some((at, furthest));
        self.line = Some(line);
        self.strays = 0;
        Placed::At(step, anchor)
    }
}

fn ticks_of(duration: Duration) -> i64 {
    (duration.as_nanos() * TICKS_PER_SECOND as u128 / 1_000_000_000) as i64
}

#[cfg(test)]
mod tests;
