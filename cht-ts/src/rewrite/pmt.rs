//! Reduces the PMT of a program to some of its streams (ISO/IEC 13818-1 §2.4.4.8).

use crate::{
    packet::{self, Header, PACKET_LEN, Packet, SYNC_BYTE},
    section::{Assembler, crc32},
};

/// Bytes of a section before the descriptors of the program.
const HEAD: usize = 12;
/// Length of a section's CRC, in bytes.
const CRC: usize = 4;

/// Rewrites the PMT of one program.
#[derive(Debug, Clone)]
pub(super) struct PmtFilter {
    program: u16,
    sections: Assembler,
    /// Counter of the next packet written.
    counter: Option<u8>,
}

impl PmtFilter {
    pub(super) fn new(program: u16) -> Self {
        Self { program, sections: Assembler::default(), counter: None }
    }

    /// Takes the next packet of the PMT's PID. Appends each PMT that ends in it to `out`, without
    /// the streams that `keeps` refuses.
    pub(super) fn push(&mut self, packet: &Packet, keeps: &dyn Fn(u16) -> bool, out: &mut Vec<u8>) {
        let header = Header::of(packet);
        let Some(body) = packet::body(header, packet) else { return };
        if body.payload.is_empty() {
            return;
        }
        let Self { program, sections, counter } = self;
        sections.push(0, packet, body.payload, header.unit_start(), &mut |section| {
            if let Some(section) = reduced(section.bytes, *program, keeps) {
                write(header.pid(), counter.get_or_insert(header.continuity()), &section, out);
            }
        });
    }
}

/// Returns the PMT of a program without the streams that `keeps` refuses; `None` for any other
/// section, and a damaged one.
fn reduced(section: &[u8], program: u16, keeps: &dyn Fn(u16) -> bool) -> Option<Vec<u8>> {
    let is_wanted =
        section.first() == Some(&2) && section.get(3..5) == Some(&program.to_be_bytes()[..]);
    if !is_wanted || crc32(section) != 0 {
        return None;
    }
    let body = section.get(..section.len() - CRC)?;
    let descriptors = length_at(body, HEAD - 2)?;
    let (head, mut streams) = body.split_at_checked(HEAD + descriptors)?;
    let mut out = head.to_vec();
    while !streams.is_empty() {
        let (stream, rest) = streams.split_at_checked(5 + length_at(streams, 3)?)?;
        if keeps(u16::from_be_bytes([stream[1], stream[2]]) & 0x1FFF) {
            out.extend_from_slice(stream);
        }
        streams = rest;
    }
    // What follows section_length, with the CRC.
    let [high, low] = ((out.len() - 3 + CRC) as u16).to_be_bytes();
    (out[1], out[2]) = (out[1] & 0xF0 | high, low);
    let crc = crc32(&out);
    out.extend(crc.to_be_bytes());
    Some(out)
}

/// Reads a length of 12 bits.
fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    let [high, low] = *bytes.get(at..at + 2)? else { return None };
    Some(usize::from(u16::from_be_bytes([high & 0x0F, low])))
}

/// Appends a section to `out` in packets of its own.
fn write(pid: u16, counter: &mut u8, section: &[u8], out: &mut Vec<u8>) {
    // pointer_field 0.
    let payload = [&[0], section].concat();
    for (n, part) in payload.chunks(PACKET_LEN - 4).enumerate() {
        let [high, low] = (pid | if n == 0 { 0x4000 } else { 0 }).to_be_bytes();
        out.extend([SYNC_BYTE, high, low, 0x10 | *counter]);
        out.extend_from_slice(part);
        out.extend(std::iter::repeat_n(0xFF, PACKET_LEN - 4 - part.len()));
        *counter = (*counter + 1) & 0x0F;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testutil;

    fn filtered(packets: &[Packet]) -> Vec<u8> {
        let mut filter = PmtFilter::new(1);
        let mut out = Vec::new();
        for packet in packets {
            filter.push(packet, &|pid| pid != 0x103, &mut out);
        }
        out
    }

    #[test]
    fn stream_left_out_is_not_listed() {
        let language = b"\x0a\x04eng\x00";
        let [video, one, two] =
            [(0x1B, 0x101, &b""[..]), (0x0F, 0x102, language), (0x0F, 0x103, language)];
        let all = testutil::pmt(1, 3, 0x101, &[video, one, two]);
        let kept = testutil::pmt(1, 3, 0x101, &[video, one]);
        let wanted = testutil::section_packets(0x100, &[&kept], 7).concat();
        assert_eq!(filtered(&testutil::section_packets(0x100, &[&all], 7)), wanted);
        // Another program's in the same PID.
        let other = testutil::pmt(2, 0, 0x201, &[(0x1B, 0x201, b"")]);
        assert_eq!(filtered(&testutil::section_packets(0x100, &[&other, &all], 7)), wanted);
    }

    #[test]
    fn pmt_of_several_packets_is_whole_and_counted_on() {
        let long = [0xFE; 200];
        let streams: [(u8, u16, &[u8]); 3] =
            [(0x1B, 0x101, b""), (0x06, 0x102, &long), (0x06, 0x103, &long)];
        let all = testutil::pmt(1, 0, 0x101, &streams);
        let kept = testutil::pmt(1, 0, 0x101, &streams[..2]);
        let packets = testutil::section_packets(0x100, &[&all], 0);
        assert_eq!(packets.len(), 3);
        let twice = [&packets[..], &packets[..]].concat();
        let wanted = [2, 4].map(|counter| testutil::section_packets(0x100, &[&kept], counter));
        assert_eq!(filtered(&twice), wanted.concat().concat());
        // One that was damaged is left out.
        let mut damaged = packets;
        damaged[1][100] ^= 1;
        assert_eq!(filtered(&damaged), []);
    }
}
