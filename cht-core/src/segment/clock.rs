//! The clock of one PID of a finished segment: positions of its pictures, jumps, outliers.
//!
//! The rules are those of a live stream that arrives all at once: a step ahead is a rest, unless it
//! is longer than any; a step back, or a longer one, that the next picture confirms is a jump.

use std::time::Instant;

use crate::{
    event::{Anchor, Jump},
    timeline::{Extent, Placed, Span, Stamp, Step, Timeline},
};
use cht_ts::{Media, Pes, Pts};

/// Largest number of jumps in a segment, after fewer pictures than `FEW` and in all. Each begins
/// another decoder.
const MAX_EARLY_JUMPS: usize = 64;
const MAX_JUMPS: usize = 1024;
const FEW: u64 = 16;

/// The clock of one PID as far as it was seen.
#[derive(Debug)]
pub(super) struct Clock {
    pub media: Media,
    timeline: Timeline,
    /// All pictures arrive at once.
    at: Instant,
    /// Position of the first picture. Ticks count from it, or from an outlier before it.
    first: Option<Anchor>,
    /// By how much its decoding comes before it, in ticks.
    first_delay: i64,
    extent: Extent,
    jumps: Vec<Jump>,
    /// The largest offset before the first of them.
    until_jump: Option<i64>,
    /// Pictures since the last jump.
    units: u64,
    doubt: Option<Pes>,
    strays: u64,
}

/// Results of a clock.
#[derive(Debug)]
pub(super) struct Told {
    pub span: Option<Span>,
    /// Where it jumps; offsets count from the first picture.
    pub jumps: Vec<Jump>,
    /// Pictures whose time stamps are outliers.
    pub strays: u64,
}

impl Clock {
    pub(super) fn new(media: Media, at: Instant) -> Self {
        Self {
            media,
            timeline: Timeline::default(),
            at,
            first: None,
            first_delay: 0,
            extent: Extent::default(),
            jumps: Vec::new(),
            until_jump: None,
            units: 0,
            doubt: None,
            strays: 0,
        }
    }

    /// Takes the next PES packet.
    pub(super) fn observe(&mut self, pes: &Pes) {
        let Some(pts) = pes.pts else {
            if pes.random_access {
                self.timeline.observe_unstamped();
            }
            return;
        };
        let stamp = Stamp { pts, dts: pes.dts, at: self.at };
        let observed = self.timeline.observe(stamp, self.may_jump());
        if let (Some(doubt), Some(placed)) = (self.doubt.take(), observed.before) {
            self.placed(&doubt, placed);
        }
        match observed.this {
            Some(placed) => self.placed(pes, placed),
            None => self.doubt = Some(*pes),
        }
    }

    fn may_jump(&self) -> bool {
        let most = if self.units < FEW { MAX_EARLY_JUMPS } else { MAX_JUMPS };
        self.jumps.len() < most
    }

    fn placed(&mut self, pes: &Pes, placed: Placed) {
        let Placed::At(step, anchor) = placed else {
            self.strays += 1;
            self.extent.observe_stray();
            return;
        };
        if step == Step::Jump {
            self.until_jump.get_or_insert(self.extent.last_from(0));
            self.jumps.push(Jump { byte: pes.cut, timeline: anchor });
            self.units = 0;
        }
        self.units += 1;
        let decoded = self.timeline.decoded().unwrap_or(anchor.offset);
        if self.first.is_none() {
            self.first = Some(anchor);
            self.first_delay = pes.dts.map_or(0, |dts| pes.pts.unwrap_or(dts).since(dts));
        }
        self.extent.observe(anchor.offset, decoded);
    }

    /// Returns the results: no more pictures come.
    pub(super) fn finish(mut self) -> Told {
        // A last picture that goes on from none before it is an outlier.
        if let (Some(doubt), Some(placed)) = (self.doubt.take(), self.timeline.settle(false)) {
            self.placed(&doubt, placed);
        }
        let span = self.first.zip(self.timeline.decoded()).map(|(first, decoded)| {
            let first_pts = Pts::new(first.pts_at(0));
            let last = self.jumps.last().map_or(first, |jump| jump.timeline);
            Span {
                first_pts,
                first_dts: first_pts - self.first_delay,
                last_dts: Pts::new(last.pts_at(decoded)),
                length: self.extent.last_from(0),
                until_jump: self.until_jump.unwrap_or(self.extent.last_from(0)),
                frame: self.extent.frame(),
            }
        });
        Told { span, jumps: self.jumps, strays: self.strays }
    }
}
