//! Reads and rewrites time stamps in transport packets (ISO/IEC 13818-1 §2.4.3.5, §2.4.3.7). Pure.

use cht_ts::{PACKET_LEN, Pts};

/// A transport packet of 188 bytes.
pub(super) type Packet = [u8; PACKET_LEN];

/// The start of a PES packet with a PTS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PesStart {
    pub is_video: bool,
    pub pts: Pts,
    /// The DTS, or the PTS if there is none.
    pub dts: Pts,
    /// Offset of the PTS in the packet.
    at: usize,
    has_dts: bool,
}

pub(super) fn pid(packet: &Packet) -> u16 {
    u16::from_be_bytes([packet[1], packet[2]]) & 0x1FFF
}

pub(super) fn has_payload(packet: &Packet) -> bool {
    packet[3] & 0x10 != 0
}

/// Returns whether a PES packet or a section starts in this packet.
pub(super) fn starts_unit(packet: &Packet) -> bool {
    packet[1] & 0x40 != 0
}

/// Returns the `continuity_counter`.
pub(super) fn continuity(packet: &Packet) -> u8 {
    packet[3] & 0x0F
}

pub(super) fn set_continuity(packet: &mut Packet, counter: u8) {
    packet[3] = (packet[3] & 0xF0) | (counter & 0x0F);
}

impl PesStart {
    /// Reads the header of the PES packet that starts in `packet`. Returns `None` if none starts,
    /// if it is scrambled or has no PTS, or if its header continues in the next packet.
    pub(super) fn of(packet: &Packet) -> Option<Self> {
        let is_clear = packet[3] & 0xC0 == 0;
        if !(starts_unit(packet) && has_payload(packet) && is_clear) {
            return None;
        }
        let payload = if packet[3] & 0x20 == 0 { 4 } else { 5 + usize::from(packet[4]) };
        let &[0, 0, 1, id, _, _, marks, flags, _] = packet.get(payload..)?.first_chunk()? else {
            return None;
        };
        let count = match (marks & 0xC0, flags >> 6) {
            (0x80, 2) => 1,
            (0x80, 3) => 2,
            _ => return None,
        };
        let at = payload + 9;
        let stamps = packet.get(at..at + 5 * count)?;
        let pts = read(stamps);
        let dts = if count == 2 { read(&stamps[5..]) } else { pts };
        Some(Self { is_video: id & 0xF0 == 0xE0, pts, dts, at, has_dts: count == 2 })
    }

    /// Replaces the time stamps.
    pub(super) fn write(self, packet: &mut Packet, pts: Pts, dts: Pts) {
        write(&mut packet[self.at..], pts);
        if self.has_dts {
            write(&mut packet[self.at + 5..], dts);
        }
    }
}

/// Replaces the base of the PCR in `packet`, if there is one, by the result of `place`.
pub(super) fn place_pcr(packet: &mut Packet, place: impl Fn(Pts) -> Pts) {
    let has_pcr = packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0;
    if !has_pcr {
        return;
    }
    let upper = u32::from_be_bytes([packet[6], packet[7], packet[8], packet[9]]);
    let base = place(Pts::new(i64::from(upper) << 1 | i64::from(packet[10] >> 7))).ticks();
    packet[6..10].copy_from_slice(&((base >> 1) as u32).to_be_bytes());
    packet[10] = (packet[10] & 0x7F) | (base as u8 & 1) << 7;
}

/// Reads 33 bits between three marker bits.
fn read(stamp: &[u8]) -> Pts {
    let [top, high, middle, low, last] = [0, 1, 2, 3, 4].map(|at| i64::from(stamp[at]));
    Pts::new((top >> 1 & 7) << 30 | high << 22 | (middle >> 1) << 15 | low << 7 | last >> 1)
}

/// Writes 33 bits, and keeps the upper half of the first byte.
fn write(stamp: &mut [u8], pts: Pts) {
    let ticks = pts.ticks();
    stamp[0] = (stamp[0] & 0xF1) | ((ticks >> 30) as u8 & 7) << 1;
    stamp[1] = (ticks >> 22) as u8;
    stamp[2] = ((ticks >> 15) as u8) << 1 | 1;
    stamp[3] = (ticks >> 7) as u8;
    stamp[4] = (ticks as u8) << 1 | 1;
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a packet with the start of a PES packet, and a PCR equal to the DTS.
    pub(in crate::live) fn pes(pid: u16, id: u8, pts: i64, dts: i64) -> Packet {
        let mut packet = [0xFF; PACKET_LEN];
        packet[..4].copy_from_slice(&[0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x30]);
        packet[4..12].copy_from_slice(&[7, 0x10, 0, 0, 0, 0, 0x7E, 0]);
        packet[12..21].copy_from_slice(&[0, 0, 1, id, 0, 0, 0x80, 0xC0, 10]);
        packet[21] = 0x31;
        packet[26] = 0x11;
        let (pts, dts) = (Pts::new(pts), Pts::new(dts));
        PesStart { is_video: true, pts, dts, at: 21, has_dts: true }.write(&mut packet, pts, dts);
        place_pcr(&mut packet, |_| dts);
        packet
    }

    pub(in crate::live) fn pcr(packet: &mut Packet) -> Pts {
        let base = std::cell::Cell::new(Pts::default());
        place_pcr(packet, |pcr| {
            base.set(pcr);
            pcr
        });
        base.get()
    }

    #[test]
    fn written_stamps_are_read_back_in_all_33_bits() {
        for ticks in [0, 1, 0x1_5555_5555, 0x0_AAAA_AAAA, (1 << 33) - 1] {
            let mut packet = pes(256, 0xE0, ticks, ticks ^ 1);
            let start = PesStart::of(&packet).unwrap();
            assert!(start.is_video && pid(&packet) == 256);
            assert_eq!((start.pts, start.dts), (Pts::new(ticks), Pts::new(ticks ^ 1)));
            assert_eq!(pcr(&mut packet), Pts::new(ticks ^ 1));
            // Extension, reserved bits and marker bits are unchanged.
            assert_eq!((packet[10] & 0x7F, packet[21] >> 4, packet[26] >> 4), (0x7E, 3, 1));
        }
    }

    #[test]
    fn packet_without_whole_pes_header_has_no_start() {
        let whole = pes(256, 0xE0, 5, 5);
        let changed = |at: usize, byte: u8| {
            let mut packet = whole;
            packet[at] = byte;
            PesStart::of(&packet)
        };
        assert!(PesStart::of(&whole).is_some());
        // No unit start, scrambled, no payload, no start code, no PTS, and a truncated header.
        for (at, byte) in [(1, 1), (3, 0xB0), (3, 0x20), (14, 2), (19, 0), (4, 170), (4, 255)] {
            assert_eq!(changed(at, byte), None, "{at}");
        }
    }
}
