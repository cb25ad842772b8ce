//! Sections out of transport packets (ISO/IEC 13818-1 §2.4.4), and their CRC.
use crate::packet::Packet;

/// Longest section in bytes: a header of three and 4093 that follow.
const MAX_SECTION: usize = 4096;
/// Longest section that is kept verbatim, in bytes of packets.
const MAX_RAW: usize = 64 * crate::PACKET_LEN;

/// Returns the CRC-32/MPEG-2 (annex A). Over a whole section with its CRC, it is 0.
pub(crate) const fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    let mut at = 0;
    while at < bytes.len() {
        crc = crc << 8 ^ CRC_TABLE[((crc >> 24) as u8 ^ bytes[at]) as usize];
        at += 1;
    }
    crc
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// A complete section, its CRC not checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Section<'a> {
    /// From `table_id` to the CRC.
    pub(crate) bytes: &'a [u8],
    /// The transport packets that carry it, verbatim; empty if there were too many.
    pub(crate) packets: &'a [u8],
    /// Offset of the first of them.
    pub(crate) offset: u64,
}

/// Puts the sections of one PID together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assembler {
    bytes: Vec<u8>,
    packets: Vec<u8>,
    offset: u64,
    /// A section is being collected, or may begin in the packets that follow.
    active: bool,
}

impl Assembler {
    /// Forgets the section that was begun, because bytes of it are missing.
    pub(crate) fn interrupt(&mut self) {
        *self = Self::default();
    }

    /// Takes the payload of the next packet.
    pub(crate) fn push(
        &mut self,
        offset: u64,
        packet: &Packet,
        payload: &[u8],
        unit_start: bool,
        done: &mut dyn FnMut(&Section<'_>),
    ) {
        if self.active {
            self.keep(packet);
        }
        if !unit_start {
            return self.feed(payload, offset, done);
        }
        let Some((&pointer, payload)) = payload.split_first() else { return self.interrupt() };
        let Some((tail, head)) = payload.split_at_checked(usize::from(pointer)) else {
            return self.interrupt();
        };
        self.feed(tail, offset, done);
        self.bytes.clear();
        self.packets.clear();
        self.keep(packet);
        self.offset = offset;
        self.active = true;
        self.feed(head, offset, done);
    }

    fn keep(&mut self, packet: &Packet) {
        if self.packets.len() <= MAX_RAW {
            self.packets.extend_from_slice(packet);
        }
    }

    fn feed(&mut self, mut bytes: &[u8], offset: u64, done: &mut dyn FnMut(&Section<'_>)) {
        while self.active && !bytes.is_empty() {
            if self.bytes.is_empty() && bytes[0] == 0xFF {
                // Only stuffing follows, up to the next packet that starts a section.
                self.active = false;
                return;
            }
            let need = self.need();
            let (part, rest) = bytes.split_at(bytes.len().min(need - self.bytes.len()));
            self.bytes.extend_from_slice(part);
            bytes = rest;
            if self.bytes.len() == self.need() {
                let packets = if self.packets.len() > MAX_RAW { &[] } else { &self.packets[..] };
                done(&Section { bytes: &self.bytes, packets, offset: self.offset });
                self.bytes.clear();
                // Another section may begin in this same packet.
                let last = self.packets.len().saturating_sub(crate::PACKET_LEN);
                self.packets.drain(..last);
                self.offset = offset;
            }
        }
    }

    /// Returns the length of the section, as far as it is known.
    fn need(&self) -> usize {
        match *self.bytes {
            [_, high, low, ..] => {
                (3 + (usize::from(high & 0x0F) << 8 | usize::from(low))).min(MAX_SECTION)
            }
            _ => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testutil;

    fn assemble(packets: &[Packet]) -> Vec<(Vec<u8>, usize, u64)> {
        let mut assembler = Assembler::default();
        let mut found = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            assembler.push(
                index as u64 * 188,
                packet,
                &packet[4..],
                packet[1] & 0x40 != 0,
                &mut |section| {
                    found.push((section.bytes.to_vec(), section.packets.len(), section.offset));
                },
            );
        }
        found
    }

    #[test]
    fn crc32_mpeg2_matches_check_value() {
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn sections_are_assembled_in_any_packing() {
        let short = testutil::section(0x42, 1, 0, 0, 0, &[7; 20]);
        let long = testutil::section(0x42, 2, 0, 0, 0, &[9; 900]);
        let packets = testutil::section_packets(0x20, &[&short, &short, &long, &short], 0);
        let found = assemble(&packets);
        let sections: Vec<_> = found.iter().map(|(bytes, ..)| bytes.clone()).collect();
        assert_eq!(sections, [short.clone(), short.clone(), long, short]);
        assert!(found.iter().all(|(bytes, ..)| crc32(bytes) == 0));
        // The second lies in the first packet alone, the long one begins there.
        assert_eq!((found[1].1, found[1].2), (188, 0));
        assert_eq!((found[2].1, found[2].2), (188 * packets.len(), 0));
    }

    #[test]
    fn interrupted_section_is_dropped() {
        let long = testutil::section(0x42, 2, 0, 0, 0, &[9; 900]);
        let packets = testutil::section_packets(0x20, &[&long], 0);
        assert_eq!(assemble(&packets[1..]).len(), 0);
        let again: Vec<_> = packets[..2].iter().chain(&packets).copied().collect();
        assert_eq!(assemble(&again).len(), 1);
    }
}
