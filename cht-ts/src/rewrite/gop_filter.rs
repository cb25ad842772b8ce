//! A stream thinned out: the access units that are worth decoding, and only those.
//!
//! A decoder that is told to skip pictures reads all of them first. Here it never sees them.
use super::unit::{Unit, Units};
use crate::codec::Codec;
use crate::time::difference33;
use crate::video::standalone::Standalone;
use std::collections::HashMap;

/// How many access units to keep of the group that begins at the access point with this PTS (33 bits), in the order of the
/// stream, the access point among them. Of a group that is not listed the access point is kept alone; one that begins with a
/// gradual refresh is then no group of its own.
pub type Plan = HashMap<u64, usize>;

/// Lets the access points of one stream through, and of some groups what follows them. The stream comes in packets of 188 bytes as
/// [`SingleStream`](crate::SingleStream) gives them.
#[derive(Debug)]
pub struct GopFilter {
    units: Units,
    output: Output,
}

#[derive(Debug)]
struct Output {
    pid: u16,
    separator: Standalone,
    counter: u8,
    plan: Plan,
    /// Units that are still to be let through in this group: those without a time stamp of their own are parts of others.
    left: usize,
    /// Pictures that are shown before this access point need a group that was left out.
    not_before: Option<u64>,
    /// The access point is kept alone: what follows it in other groups was counted from it as it is.
    alone: bool,
    /// All of the group so far was let through.
    complete: bool,
    access_points: u64,
}

impl GopFilter {
    /// Thins the video of `pid`.
    #[must_use]
    pub fn new(pid: u16, codec: Codec) -> Self {
        let output = Output {
            pid,
            separator: Standalone::new(codec),
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

    /// From the next access point on, keeps more than that of some groups.
    pub fn follow(&mut self, plan: Plan) {
        self.output.plan.extend(plan);
    }

    /// Appends what is worth decoding in the next packets to `out`.
    pub fn push(&mut self, packets: &[u8], out: &mut Vec<u8>) {
        let Self { units, output } = self;
        units.push(packets, &mut |unit| output.unit(&unit, out));
    }

    /// No more packets come.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Self { units, output } = self;
        units.finish(&mut |unit| output.unit(&unit, out));
    }

    /// Access points in what was pushed so far.
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
            let is_broken =
                |first: u64| unit.pts.is_some_and(|pts| difference33(first as i64, pts) < 0);
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
        if !taken && !self.separator.has_fields() {
            return;
        }
        let payload = self.separator.separate(unit.payload());
        if self.separator.has_fields() || !self.alone {
            // The second field needs the first, and both an order that is counted from the pictures before.
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

    /// The PTS of what is let through of (PTS, is an access point), given a plan.
    fn kept(units: &[(u64, bool)], plan: &[(u64, usize)]) -> Vec<u64> {
        let (mut packets, mut counter) = (Vec::new(), 0);
        for &(pts, random_access) in units {
            let slice = [0, 0, 1, if random_access { 0x65 } else { 0x41 }, 0x88, 0x80];
            let pes = testutil::pes(0xE0, Some(pts), None, &slice);
            packets.extend(testutil::packets(PID, &mut counter, None, &pes).concat());
        }
        let mut thin = GopFilter::new(PID, Codec::H264);
        thin.follow(plan.iter().copied().collect());
        let mut out = Vec::new();
        thin.push(&packets, &mut out);
        thin.finish(&mut out);
        let (mut kept, mut units) = (Vec::new(), Units::new(Codec::H264));
        units.push(&out, &mut |unit| kept.extend(unit.pts));
        units.finish(&mut |unit| kept.extend(unit.pts));
        kept
    }

    #[test]
    fn access_points_alone_and_as_much_of_a_group_as_is_planned() {
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
    fn pictures_that_need_a_group_that_was_left_out_are_left_out() {
        // Those of 50 and 55 are shown before the access point behind which they come.
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
        let mut thin = GopFilter::new(PID, Codec::H264);
        let mut out = Vec::new();
        thin.push(&packets, &mut out);
        thin.finish(&mut out);
        assert_eq!(thin.access_points(), 1);
    }
}
