//! A stream thinned out: the access units that are worth decoding, and only those.
//!
//! A decoder that is told to skip pictures reads all of them first. Here it never sees them.
use super::codec::Codec;
use super::separate::Separator;
use super::unit::{Unit, Units};

/// Lets the access points of one stream through, which comes in packets of 188 bytes as
/// [`SingleStream`](super::SingleStream) gives them.
#[derive(Debug)]
pub struct Thin {
    units: Units,
    output: Output,
}

#[derive(Debug)]
struct Output {
    pid: u16,
    separator: Separator,
    counter: u8,
    /// The last unit was let through: one without a time stamp of its own is a part of it.
    taking: bool,
    access_points: u64,
}

impl Thin {
    /// Thins the video of `pid`.
    #[must_use]
    pub fn new(pid: u16, codec: Codec) -> Self {
        let output = Output {
            pid,
            separator: Separator::new(codec),
            counter: 0,
            taking: false,
            access_points: 0,
        };
        Self { units: Units::new(codec), output }
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
        self.output.access_points + u64::from(self.units.open_is_random_access())
    }
}

impl Output {
    fn unit(&mut self, unit: &Unit, out: &mut Vec<u8>) {
        if unit.random_access {
            self.access_points += 1;
            self.taking = true;
        } else if unit.pts.is_some() {
            self.taking = false;
        }
        if !self.taking && !self.separator.has_fields() {
            return;
        }
        let payload = self.separator.separate(unit.payload());
        if self.separator.has_fields() {
            // The second field needs the first, and both an order that is counted from the pictures before.
            return unit.write(self.pid, &mut self.counter, unit.payload(), out);
        }
        unit.write(self.pid, &mut self.counter, &payload, out);
    }
}
