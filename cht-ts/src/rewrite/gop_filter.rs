//! Keeps the access units of a stream that are worth decoding.
//!
//! A decoder that is told to skip pictures reads all of them first. Here it never sees them.
use super::unit::{Unit, Units};
use crate::codec::Codec;
use crate::time::Pts;
use crate::video::standalone::Standalone;
use std::collections::HashMap;

/// Number of access units to keep of the GOP whose access point has this PTS, in stream
/// order, with the access point. Of a GOP that is not listed only the access point is kept; one
/// that begins with a gradual refresh then counts as part of the GOP before.
pub type Plan = HashMap<Pts, usize>;

/// Passes the access points of one video, and the first units of selected GOPs. Takes packets of
/// 188 bytes as [`SingleStream`](crate::SingleStream) gives them.
///
/// ```
/// use cht_ts::{Codec, GopFilter, PACKET_LEN, testutil};
///
/// let stream = testutil::h264(0x51, &[(0, true), (3600, false), (7200, true), (10_800, false)]);
/// let mut filter = GopFilter::new(0x51, Codec::H264);
/// let mut out = Vec::new();
/// filter.push(&stream, &mut out);
/// filter.finish(&mut out);
/// assert_eq!((filter.access_points(), out.len()), (2, 2 * PACKET_LEN));
/// ```
#[derive(Debug)]
pub struct GopFilter {
    units: Units,
    output: Output,
}

#[derive(Debug)]
struct Output {
    pid: u16,
    standalone: Standalone,
    counter: u8,
    plan: Plan,
    /// Units still to be passed in this GOP; a unit without a time stamp is part of the one before.
    left: usize,
    /// PTS of the access point if the GOP before it was not passed whole: pictures displayed before
    /// it need that GOP.
    not_before: Option<Pts>,
    /// The access point is kept alone. Otherwise it stays as it is, since the units after it count
    /// from it.
    alone: bool,
    /// All units of the GOP so far were passed.
    complete: bool,
    access_points: u64,
}

impl GopFilter {
    /// Filters the video of `pid`.
    #[must_use]
    pub fn new(pid: u16, codec: Codec) -> Self {
        let output = Output {
            pid,
            standalone: Standalone::new(codec),
            counter: 0,
            plan: Plan::new(),
            left: 0,
            not_before: None,
            alone: false,
            complete: false,
            access_points: 0,
        };
        Self { units: Units::new(codec), output }
    }

    /// Applies `plan` from the next access point on.
    pub fn follow(&mut self, plan: Plan) {
        self.output.plan.extend(plan);
    }

    /// Appends the units to decode in the next packets to `out`.
    pub fn push(&mut self, packets: &[u8], out: &mut Vec<u8>) {
        let Self { units, output } = self;
        units.push(packets, &mut |unit| output.unit(&unit, out));
    }

    /// Appends the last units: no more packets come.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Self { units, output } = self;
        units.finish(&mut |unit| output.unit(&unit, out));
    }

    /// Returns the number of access points pushed so far.
    pub fn access_points(&mut self) -> u64 {
        self.output.access_points + self.units.access_points()
    }
}

impl Output {
    fn unit(&mut self, unit: &Unit, out: &mut Vec<u8>) {
        let planned = unit.pts.filter(|_| unit.random_access || unit.is_refresh);
        let planned = planned.and_then(|pts| self.plan.remove(&pts));
        let is_access = unit.random_access || planned.is_some();
        if is_access {
            self.access_points += 1;
            let keep = planned.unwrap_or(1);
            self.alone = keep == 1;
            self.not_before = unit.pts.filter(|_| !self.complete);
            (self.left, self.complete) = (keep, true);
        }
        if unit.pts.is_some() {
            self.complete &= self.left > 0;
            let is_broken = |first| unit.pts.is_some_and(|pts| pts.since(first) < 0);
            if !is_access && self.not_before.is_some_and(is_broken) {
                self.left = self.left.saturating_sub(1);
                return;
            }
        }
        let is_part = unit.pts.is_none();
        let taken = self.left > 0 || (is_part && self.complete);
        if !is_part {
            self.left = self.left.saturating_sub(1);
        }
        if !taken && !self.standalone.has_fields() {
            return;
        }
        let payload = self.standalone.rewrite(unit.payload());
        if self.standalone.has_fields() || !self.alone {
            // The second field needs the first, and both count their order from the pictures
            // before.
            return unit.write(self.pid, &mut self.counter, unit.payload(), out);
        }
        unit.write(self.pid, &mut self.counter, &payload, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testutil;

    const PID: u16 = 0x51;

    /// Returns the PTS of the units that pass, of pictures (PTS, is an access point), by `plan`.
    fn kept(units: &[(i64, bool)], plan: &[(i64, usize)]) -> Vec<i64> {
        let mut filter = GopFilter::new(PID, Codec::H264);
        filter.follow(plan.iter().map(|&(pts, count)| (Pts::new(pts), count)).collect());
        let mut out = Vec::new();
        filter.push(&testutil::h264(PID, units), &mut out);
        filter.finish(&mut out);
        let (mut kept, mut units) = (Vec::new(), Units::new(Codec::H264));
        units.push(&out, &mut |unit| kept.extend(unit.pts.map(Pts::ticks)));
        units.finish(&mut |unit| kept.extend(unit.pts.map(Pts::ticks)));
        kept
    }

    #[test]
    fn access_points_and_planned_units_pass() {
        let units = [
            (10, true),
            (20, false),
            (30, true),
            (40, false),
            (50, false),
            (60, true),
            (70, false),
        ];
        assert_eq!(kept(&units, &[]), [10, 30, 60]);
        assert_eq!(kept(&units, &[(30, 2)]), [10, 30, 40, 60]);
        assert_eq!(kept(&units, &[(30, 9), (60, 2)]), [10, 30, 40, 50, 60, 70]);
    }

    #[test]
    fn pictures_that_need_a_dropped_gop_are_dropped() {
        // Those at 50 and 55 are displayed before the access point that they follow.
        let units = [
            (10, true),
            (40, false),
            (60, true),
            (50, false),
            (55, false),
            (70, false),
            (80, false),
        ];
        assert_eq!(kept(&units, &[(60, 4)]), [10, 60, 70]);
        assert_eq!(kept(&units, &[(10, 2), (60, 4)]), [10, 40, 60, 50, 55, 70]);
    }

    #[test]
    fn access_point_by_indicator_alone_is_a_picture_of_its_group() {
        let (mut packets, mut counter) = (Vec::new(), 0);
        for n in 0..4 {
            let header = if n == 0 { 0x65 } else { 0x41 };
            let pes = testutil::pes(0xE0, Some(n * 3600), None, &[0, 0, 1, header, 0x9A, 0x80]);
            // An adaptation field whose one byte of flags is random_access_indicator.
            let field = Some(0x40);
            packets.extend(testutil::packets(PID, &mut counter, field, &pes).concat());
        }
        let mut filter = GopFilter::new(PID, Codec::H264);
        let mut out = Vec::new();
        filter.push(&packets, &mut out);
        filter.finish(&mut out);
        assert_eq!(filter.access_points(), 1);
    }
}
