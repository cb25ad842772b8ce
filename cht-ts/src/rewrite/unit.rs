//! Assembles the PES packets of one video into access units, and writes units as packets again.
//!
//! A PES packet need not begin with an access unit (ISO/IEC 13818-1 §2.4.3.7,
//! `data_alignment_indicator`): bytes before its first start code end the unit before, and one
//! without a start code is the end of that unit as a whole. Nor need it
//! hold a picture: parameter sets and delimiters in PES packets of their own belong to the picture
//! that follows.
use crate::codec::Codec;
use crate::packet::{self, Header, PACKET_LEN};
use crate::pes;
use crate::pes::stamp;
use crate::time::Pts;
use crate::video::access::{Entry, Walk};
use crate::video::coding::Coding;

/// Longest beginning of an access unit without its picture, in bytes.
const MAX_LEAD: usize = 1 << 20;
/// Longest unit to which PES packets without a start code are appended, in bytes.
const MAX_CONTINUED: usize = 16 << 20;
/// `nal_unit_type` of a slice of an IDR picture (ISO/IEC 14496-10 table 7-1).
const IDR_SLICE: u8 = 5;

/// An access unit with the header of its PES packet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Header and payload.
    bytes: Vec<u8>,
    /// Length of the header.
    header: usize,
    /// PTS of the picture.
    pub pts: Option<Pts>,
    /// `random_access_indicator` is set.
    flagged: bool,
    /// Decoding can begin here, and the picture is complete when it is decoded alone.
    pub random_access: bool,
    /// A gradual refresh begins here, and the picture is not complete by itself.
    pub is_refresh: bool,
}

/// Divides the packets of one video into access units.
///
/// ```
/// use cht_ts::{Codec, Pts, Units, testutil};
///
/// let mut units = Units::new(Codec::H264);
/// let mut found = Vec::new();
/// let stream = testutil::h264(0x51, &[(9000, true), (12_600, false)]);
/// units.push(&stream, &mut |unit| found.push((unit.pts, unit.random_access)));
/// units.finish(&mut |unit| found.push((unit.pts, unit.random_access)));
/// assert_eq!(found, [(Some(Pts::new(9000)), true), (Some(Pts::new(12_600)), false)]);
/// ```
#[derive(Debug)]
pub struct Units {
    codec: Codec,
    walk: Walk,
    /// A unit whose end may lie in the next PES packet.
    closed: Option<Unit>,
    open: Option<Unit>,
    /// The beginning of an access unit whose picture has not come.
    lead: Option<Unit>,
    /// The PTS of the last picture.
    last_pts: Option<Pts>,
    /// The last packet, which may come twice (ISO/IEC 13818-1 §2.4.3.3).
    last: [u8; PACKET_LEN],
}

impl Units {
    /// Divides video of `codec`.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        let (closed, open, lead, last_pts) = (None, None, None, None);
        Self { codec, walk: Walk::new(), closed, open, lead, last_pts, last: [0; PACKET_LEN] }
    }

    /// Takes whole packets of 188 bytes of one PID, and gives `found` each unit when the next one
    /// has begun.
    pub fn push(&mut self, packets: &[u8], found: &mut dyn FnMut(Unit)) {
        for packet in packets.as_chunks::<PACKET_LEN>().0 {
            let header = Header::of(packet);
            if header.scrambled() || !header.has_payload() || *packet == self.last {
                continue;
            }
            self.last = *packet;
            let Some(body) = packet::body(header, packet) else { continue };
            if header.unit_start() {
                self.close(found);
                self.open = Some(Unit { flagged: body.random_access, ..Unit::default() });
            }
            if let Some(unit) = &mut self.open {
                unit.bytes.extend_from_slice(body.payload);
            }
            self.complete(found);
        }
    }

    /// Gives `found` the last units: no more packets come.
    pub fn finish(&mut self, found: &mut dyn FnMut(Unit)) {
        self.close(found);
        self.hand_over(found);
        if let Some(lead) = self.lead.take() {
            found(lead);
        }
    }

    /// Closes the open unit: its PES packet has ended.
    fn close(&mut self, found: &mut dyn FnMut(Unit)) {
        if let (Some(closed), Some(open)) = (&mut self.closed, &self.open)
            && Coding::of(self.codec).is_some()
            && closed.bytes.len() < MAX_CONTINUED
            && let Some(end) = open.end_of(closed)
        {
            closed.bytes.extend_from_slice(end);
            self.open = None;
            return;
        }
        self.hand_over(found);
        self.closed = self.open.take();
    }

    /// Appends the missing end to the closed unit, once it has come.
    fn complete(&mut self, found: &mut dyn FnMut(Unit)) {
        if let (Some(closed), Some(open)) = (&mut self.closed, &mut self.open)
            && let Some(end) = open.take_end_of_last()
        {
            closed.bytes.extend(end);
            self.hand_over(found);
        }
    }

    fn hand_over(&mut self, found: &mut dyn FnMut(Unit)) {
        let Some(mut unit) = self.closed.take() else { return };
        let begun = self.lead.as_ref().map(|lead| lead.flagged);
        let Some(content) = unit.look(self.codec, &mut self.walk, begun) else { return };
        if content == Content::Slice && (unit.pts.is_none() || unit.pts == self.last_pts) {
            (unit.pts, unit.random_access, unit.is_refresh) = (None, false, false);
        }
        self.last_pts = unit.pts.or(self.last_pts);
        if let Some(lead) = self.lead.take() {
            unit = lead.followed_by(&unit, content);
        }
        if content == Content::Lead && unit.bytes.len() < MAX_LEAD {
            self.lead = Some(unit);
        } else {
            found(unit);
        }
    }

    /// Returns the number of access points among the units that were not given yet.
    pub fn access_points(&mut self) -> u64 {
        let Self { codec, walk, closed, open, lead, .. } = self;
        let mut begun = lead.as_ref().map(|lead| lead.flagged);
        let mut points = 0;
        for unit in closed.iter_mut().chain(open) {
            let Some(content) = unit.look(*codec, walk, begun) else { continue };
            let leads = content == Content::Lead;
            begun = leads.then(|| unit.flagged || begun == Some(true));
            points += u64::from(unit.random_access && content == Content::Picture);
        }
        points
    }
}

/// Contents of a PES packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// The beginning of an access unit without its picture.
    Lead,
    Picture,
    /// One more slice of a picture.
    Slice,
}

impl Unit {
    /// Reads the header and looks for an access point. `begun` tells that the access unit began in
    /// a PES packet before, and whether that was flagged. Returns `None` if this is no PES packet.
    fn look(&mut self, codec: Codec, walk: &mut Walk, begun: Option<bool>) -> Option<Content> {
        let pes::Header::Pes { pts, len, .. } = pes::read(&self.bytes) else { return None };
        let payload = self.bytes.get(len..)?;
        (self.header, self.pts) = (len, pts);
        let flagged = self.flagged || begun == Some(true);
        let walks =
            if begun.is_some() { walk.resume(Some(codec)) } else { walk.start(Some(codec)) };
        if !walks {
            self.random_access = flagged;
            return Some(Content::Picture);
        }
        let verdict = walk.push(payload);
        let keyframe = verdict == Some(true);
        self.random_access = walk.stands_alone(keyframe, flagged);
        let is_gradual = walk.entry(keyframe, flagged) == Some(Entry::Gradual);
        self.is_refresh = is_gradual && !self.random_access;
        Some(match verdict {
            None if walk.end() => {
                self.random_access = false;
                Content::Lead
            }
            Some(_) if walk.is_within_picture() => Content::Slice,
            _ => Content::Picture,
        })
    }

    /// Joins two PES packets of one access unit. The time stamps of the picture come first.
    fn followed_by(mut self, next: &Self, content: Content) -> Self {
        self.flagged |= next.flagged;
        (self.random_access, self.is_refresh) = (next.random_access, next.is_refresh);
        let keeps_header = content == Content::Lead && self.pts.is_some();
        if keeps_header || next.pts.is_none() {
            self.bytes.extend_from_slice(next.payload());
            return self;
        }
        let bytes = [&next.bytes[..next.header], self.payload(), next.payload()].concat();
        Self { bytes, header: next.header, pts: next.pts, ..self }
    }

    /// Returns the payload if it has no start code and goes on with a unit that has one.
    fn end_of(&self, before: &Self) -> Option<&[u8]> {
        let (end, begun) = (self.unread_payload()?, before.unread_payload()?);
        let has_start = |bytes: &[u8]| bytes.windows(3).any(|window| window == [0, 0, 1]);
        (!end.is_empty() && !has_start(end) && has_start(begun)).then_some(end)
    }

    /// Returns the payload before the header was read.
    fn unread_payload(&self) -> Option<&[u8]> {
        let pes::Header::Pes { len, .. } = pes::read(&self.bytes) else { return None };
        self.bytes.get(len..)
    }

    /// Takes out the bytes before the first start code; `None` if that has not come.
    fn take_end_of_last(&mut self) -> Option<Vec<u8>> {
        let pes::Header::Pes { len, .. } = pes::read(&self.bytes) else { return None };
        let payload = self.bytes.get(len..)?;
        let start = payload.windows(3).position(|window| window == [0, 0, 1])?;
        // Zeros belong to the start code.
        let end = payload[..start].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        Some(self.bytes.drain(len..len + end).collect())
    }

    /// Returns the elementary stream in it.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.header..]
    }

    /// Tells whether a decoder of `codec` that has shown other pictures before can go on with this
    /// access point: an IDR picture of H.264; one of HEVC, after an end of sequence; one of another
    /// codec.
    #[must_use]
    pub fn begins_sequence(&self, codec: Codec) -> bool {
        let mut types = self
            .payload()
            .windows(4)
            .filter(|bytes| bytes[..3] == [0, 0, 1])
            .map(|bytes| bytes[3] & 0x1F);
        self.random_access && (codec != Codec::H264 || types.any(|kind| kind == IDR_SLICE))
    }

    /// Appends it to `out` in packets of `pid`, with another payload.
    pub(crate) fn write(&self, pid: u16, counter: &mut u8, payload: &[u8], out: &mut Vec<u8>) {
        let mut bytes = [&self.bytes[..self.header], payload].concat();
        // PES_packet_length: 0 stands for "to the next one", which video may.
        bytes[4..6].fill(0);
        packet::write(pid, counter, &bytes, out);
    }
}

/// Appends a PES packet of video to `out`, in packets of `pid` that count on from `counter`. Time
/// stamps are PTS and DTS; none for another slice of the picture before.
pub fn write_video(
    pid: u16,
    counter: &mut u8,
    stamps: Option<(Pts, Pts)>,
    payload: &[u8],
    out: &mut Vec<u8>,
) {
    // stream_id of the first video, PES_packet_length "to the next one", the marker bits.
    let mut bytes = vec![0, 0, 1, 0xE0, 0, 0, 0x80];
    match stamps {
        Some((pts, dts)) => {
            bytes.extend([0xC0, 10]);
            bytes.extend(stamp(3, pts));
            bytes.extend(stamp(1, dts));
        }
        None => bytes.extend([0, 0]),
    }
    bytes.extend_from_slice(payload);
    packet::write(pid, counter, &bytes, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Found, Scanner, testutil};

    const PID: u16 = 0x51;

    fn collect(packets: &[u8]) -> Vec<Unit> {
        let (mut units, mut all) = (Units::new(Codec::H264), Vec::new());
        units.push(packets, &mut |unit| all.push(unit));
        units.finish(&mut |unit| all.push(unit));
        all
    }

    #[test]
    fn unit_written_is_read_back() {
        let mut counter = 3;
        for length in [1, 160, 163, 164, 165, 170, 171, 1000] {
            let idr = [&b"\0\0\x01\x65"[..], &vec![0x88; length]].concat();
            let pes = testutil::pes(0xE0, Some(9000), Some(6000), &idr);
            let packets = testutil::packets(PID, &mut counter, None, &pes).concat();
            let units = collect(&packets);
            assert_eq!(units.len(), 1);
            assert!(units[0].random_access && units[0].pts == Some(Pts::new(9000)));
            assert_eq!(units[0].payload(), idr);
            let (mut out, mut counter) = (Vec::new(), 14);
            units[0].write(PID, &mut counter, &idr, &mut out);
            assert_eq!(collect(&out), units, "{length} bytes");
        }
    }

    #[test]
    fn video_written_is_read_back() {
        let idr = [&b"\0\0\x01\x65"[..], &[0x88; 300]].concat();
        let (mut out, mut counter) = (Vec::new(), 15);
        write_video(PID, &mut counter, Some((Pts::new(9000), Pts::new(-1))), &idr, &mut out);
        write_video(PID, &mut counter, None, b"\0\0\x01\x41\x9A", &mut out);
        let units = collect(&out);
        assert_eq!(
            (units[0].payload(), units[0].pts, counter),
            (&idr[..], Some(Pts::new(9000)), 2)
        );
        assert_eq!(pes::read(&units[0].bytes), {
            let (pts, dts) = (Some(Pts::new(9000)), Some(Pts::new(-1)));
            pes::Header::Pes { stream_id: 0xE0, pts, dts, len: 19 }
        });
        assert_eq!((units.len(), units[1].pts), (2, None));
    }

    #[test]
    fn bytes_before_first_start_code_end_the_unit_before() {
        // The end of the first is longer than a packet.
        let picture = [&b"\0\0\0\x01\x65"[..], &[0x88; 1000]].concat();
        for cut in [5, 400, 1000, 1004] {
            let second = [&picture[cut..], &b"\0\0\x01\x41\x9A"[..]].concat();
            let mut counter = 0;
            let packets = [(9000, &picture[..cut]), (12600, &second)].map(|(pts, payload)| {
                let pes = testutil::pes(0xE0, Some(pts), None, payload);
                testutil::packets(PID, &mut counter, None, &pes).concat()
            });
            let units = collect(&packets.concat());
            let payloads: Vec<_> = units.iter().map(Unit::payload).collect();
            assert_eq!(payloads, [&picture[..], b"\0\0\x01\x41\x9A"], "{cut}");
            assert_eq!(units[1].pts, Some(Pts::new(12600)));
        }
    }

    #[test]
    fn packet_without_start_code_ends_the_unit_before() {
        let picture = [&b"\0\0\0\x01\x65"[..], &[0x88; 1000]].concat();
        let next = b"\0\0\x01\x41\x9A";
        let parts =
            [(9000, &picture[..400]), (12600, &picture[400..900]), (12600, &picture[900..])];
        let mut counter = 0;
        let packets: Vec<u8> = parts
            .into_iter()
            .chain([(12600, &next[..]), (16200, &picture[..600]), (19800, &picture[600..])])
            .flat_map(|(pts, payload)| {
                let pes = testutil::pes(0xE0, Some(pts), None, payload);
                testutil::packets(PID, &mut counter, None, &pes).concat()
            })
            .collect();
        let units: Vec<_> =
            collect(&packets).iter().map(|it| (it.pts, it.payload().to_vec())).collect();
        let unit = |pts, payload: &[u8]| (Some(Pts::new(pts)), payload.to_vec());
        assert_eq!(units, [unit(9000, &picture), unit(12600, next), unit(16200, &picture)]);
        // The scanner places them alike.
        let (mut scanner, mut times) = (Scanner::new(), Vec::new());
        let pmt = testutil::pmt(1, 0, PID, &[(0x1B, PID, &[])]);
        let tables = [(0, testutil::pat(0, 0, 0, &[(1, 0x100)])), (0x100, pmt)];
        for (pid, section) in tables {
            scanner.push(&testutil::section_packets(pid, &[&section], 0).concat(), &mut |_| {});
        }
        let mut found = |found: Found<'_>| {
            if let Found::Pes(pes) = found {
                times.push(pes.pts.map(|pts| pts.since(Pts::new(9000))));
            }
        };
        scanner.push(&packets, &mut found);
        scanner.finish(&mut found);
        assert_eq!(times, [Some(0), None, None, Some(3600), Some(7200), None]);
    }

    #[test]
    fn packets_that_come_twice_count_once() {
        let mut counter = 0;
        let pes = testutil::pes(0xE0, Some(9000), None, &[0xAA; 1000]);
        let packets = testutil::packets(PID, &mut counter, None, &pes);
        let twice: Vec<u8> =
            packets.iter().flat_map(|packet| [*packet, *packet].concat()).collect();
        assert_eq!(collect(&twice), collect(&packets.concat()));
    }

    #[test]
    fn counters_of_written_units_continue() {
        let (mut out, mut counter) = (Vec::new(), 0);
        let pes = testutil::pes(0xE0, Some(9000), None, &[0xAA; 5000]);
        let unit = &collect(&testutil::packets(PID, &mut 0, None, &pes).concat())[0];
        for _ in 0..5 {
            unit.write(PID, &mut counter, unit.payload(), &mut out);
        }
        let mut scanner = Scanner::new();
        let mut starts = 0;
        let mut found = |found: Found<'_>| starts += u32::from(matches!(found, Found::Pes(_)));
        scanner.push(&out, &mut found);
        scanner.finish(&mut found);
        assert_eq!((starts, scanner.counters().continuity_errors), (5, 0));
    }
}
