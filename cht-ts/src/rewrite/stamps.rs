//! Reads, replaces and adds the time stamps in the packet that begins a PES packet.
use crate::audio;
use crate::codec::Codec;
use crate::packet::{self, Header, PACKET_LEN, Packet};
use crate::pes::{self, STAMP, stamp};
use crate::program::AudioFormat;
use crate::time::Pts;

/// Length of a PES header before its optional fields, in bytes.
const FIXED: usize = 9;

/// The beginning of a PES packet in a transport packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// No PES packet, or one whose header cannot be read.
    Nothing,
    /// A PES packet without PTS.
    Unstamped,
    /// A PES packet with a PTS, and a DTS if it has one.
    Stamped {
        /// Presentation time.
        pts: Pts,
        /// Decoding time, if it is another.
        dts: Option<Pts>,
    },
}

/// Reads the beginning of a PES packet. A header that goes on in the next packet counts as
/// [`Begins::Nothing`].
#[must_use]
pub fn begins(packet: &[u8; PACKET_LEN]) -> Begins {
    let Some(from) = payload(packet) else { return Begins::Nothing };
    match pes::read(&packet[from..]) {
        pes::Header::Pes { pts: Some(pts), dts, .. } => Begins::Stamped { pts, dts },
        pes::Header::Pes { len, .. } if len >= FIXED && from + len <= PACKET_LEN => {
            Begins::Unstamped
        }
        _ => Begins::Nothing,
    }
}

/// Returns the PID of a packet with a PCR, and its base (§2.4.3.5).
#[must_use]
pub fn pcr_of(packet: &[u8; PACKET_LEN]) -> Option<(u16, Pts)> {
    let header = Header::of(packet);
    let [_, _, _, _, length, flags, base @ .., _] = packet.first_chunk::<11>()?;
    // The length counts the flags, and 6 bytes of the PCR.
    let has_pcr = header.has_adaptation_field() && *length >= 7 && flags & 0x10 != 0;
    let base = base.iter().fold(0, |base, byte| base << 8 | i64::from(*byte));
    has_pcr.then(|| (header.pid(), Pts::new(base << 1 | i64::from(packet[10] >> 7))))
}

/// Returns the format of the sound of `codec` whose frame header is the first payload of the PES
/// packet that begins in `packet`; `None` where it begins otherwise, or the codec has no such
/// header.
#[must_use]
pub fn sound_format(packet: &[u8; PACKET_LEN], codec: Codec) -> Option<AudioFormat> {
    let bytes = &packet[payload(packet)?..];
    let pes::Header::Pes { len, .. } = pes::read(bytes) else { return None };
    audio::header(codec, bytes.get(len..)?)
}

/// Returns the codec of the sound whose frame header is the first payload of the PES packet that
/// begins in `packet`, also where the tables name another; `None` for codecs without such a header.
#[must_use]
pub fn sound_codec(packet: &[u8; PACKET_LEN]) -> Option<Codec> {
    let bytes = &packet[payload(packet)?..];
    let pes::Header::Pes { len, .. } = pes::read(bytes) else { return None };
    audio::codec(bytes.get(len..)?)
}

/// Replaces the time stamps of the PES packet that begins in a packet; a DTS only where there is
/// one.
pub fn restamp(packet: &mut [u8; PACKET_LEN], pts: Pts, dts: Pts) {
    let Begins::Stamped { dts: old, .. } = begins(packet) else { return };
    let Some(from) = payload(packet) else { return };
    let stamps = from + FIXED;
    if old.is_some() {
        packet[stamps..stamps + STAMP].copy_from_slice(&stamp(3, pts));
        packet[stamps + STAMP..stamps + 2 * STAMP].copy_from_slice(&stamp(1, dts));
    } else {
        let mark = packet[stamps] >> 4;
        packet[stamps..stamps + STAMP].copy_from_slice(&stamp(mark, pts));
    }
}

/// Appends the packet to `out` with a PTS for the PES packet that begins in it and has none: as two
/// packets where it does not fit into one, of which the last one has the packet's continuity
/// counter.
pub fn with_stamp(packet: &[u8; PACKET_LEN], pts: Pts, out: &mut Vec<u8>) {
    let from = payload(packet).filter(|_| begins(packet) == Begins::Unstamped);
    let Some(from) = from else { return out.extend_from_slice(packet) };
    let mut header = packet[from..from + FIXED].to_vec();
    let fields = usize::from(header[8]);
    // PES_packet_length: 0 stands for "to the next one", which video may.
    header[4..6].fill(0);
    (header[6], header[7], header[8]) = (0x80, 0x80, STAMP as u8);
    header.extend(stamp(2, pts));
    header.extend_from_slice(&packet[from + FIXED + fields..]);
    let before = packet::packets_of(header.len()) as u8 - 1;
    let mut counter = Header::of(packet).continuity().wrapping_sub(before) & 15;
    packet::write(Header::of(packet).pid(), &mut counter, &header, out);
}

/// Returns a PES packet of video with a PTS, of known length.
pub(crate) fn pes(pts: Pts, payload: &[u8]) -> Vec<u8> {
    let length = (FIXED - 6 + STAMP + payload.len()) as u16;
    let [high, low] = length.to_be_bytes();
    let header = [0, 0, 1, 0xE0, high, low, 0x80, 0x80, STAMP as u8];
    [&header, &stamp(2, pts)[..], payload].concat()
}

/// Returns the index of the payload of a packet that begins a PES packet.
fn payload(packet: &Packet) -> Option<usize> {
    let header = Header::of(packet);
    if !header.in_sync() || !header.unit_start() || header.scrambled() || !header.has_payload() {
        return None;
    }
    let payload = packet::body(header, packet)?.payload;
    (!payload.is_empty()).then_some(PACKET_LEN - payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Found, Scanner, testutil};

    const MAX: i64 = (1 << 33) - 1;

    #[test]
    fn pcr_is_read_where_there_is_one() {
        let mut packet = [0xFF; PACKET_LEN];
        packet[..6].copy_from_slice(&[0x47, 0x01, 0x23, 0x30, 7, 0x10]);
        // Base 0x1_2345_6789, 6 reserved bits, extension 5.
        packet[6..12].copy_from_slice(&[0x91, 0xA2, 0xB3, 0xC4, 0xFE, 5]);
        assert_eq!(pcr_of(&packet), Some((0x123, Pts::new(0x1_2345_6789))));
        for (at, byte) in [(5, 0x00), (4, 6), (3, 0x10)] {
            let mut without = packet;
            without[at] = byte;
            assert_eq!(pcr_of(&without), None);
        }
    }

    fn first(pts: Option<i64>, dts: Option<i64>, length: usize) -> Packet {
        let pes = testutil::pes(0xE0, pts, dts, &vec![0x55; length]);
        *testutil::packets(0x51, &mut 0, None, &pes)[0].first_chunk().unwrap()
    }

    #[test]
    fn stamps_are_read_and_replaced() {
        for dts in [None, Some(MAX - 5)] {
            let mut packet = first(Some(MAX), dts, 1000);
            let (pts, old) = (Pts::new(MAX), dts.map(Pts::new));
            assert_eq!(begins(&packet), Begins::Stamped { pts, dts: old });
            let (pts, dts) = (Pts::new(0x1_2345_6789), Pts::new(0x0_FEDC_BA98));
            restamp(&mut packet, pts, dts);
            assert_eq!(begins(&packet), Begins::Stamped { pts, dts: old.map(|_| dts) });
        }
        assert_eq!(begins(&first(None, None, 1000)), Begins::Unstamped);
        assert_eq!(begins(&[0x47; PACKET_LEN]), Begins::Nothing);
    }

    #[test]
    fn stamp_is_added_and_the_payload_stays() {
        for length in [1, 100, 165, 170, 175, 1000] {
            let packet = first(None, None, length);
            let mut out = Vec::new();
            with_stamp(&packet, Pts::new(90_000), &mut out);
            let (mut scanner, mut found) = (Scanner::new(), None);
            let mut take = |it: Found<'_>| {
                if let Found::Pes(pes) = it {
                    found = pes.pts;
                }
            };
            // A scanner has to see a few packets.
            let mut counter = Header::of(&packet).continuity() + 1;
            for n in 0..4 {
                let pes = testutil::pes(0xE0, Some(90_000 + n), None, &[0x55; 100]);
                out.extend(testutil::packets(0x51, &mut counter, None, &pes).concat());
            }
            scanner.push(&out, &mut take);
            assert_eq!(scanner.counters().continuity_errors, 0, "{length}");
            let packets = out.as_chunks::<PACKET_LEN>().0;
            assert_eq!(begins(&packets[0]), Begins::Stamped { pts: Pts::new(90_000), dts: None });
            let kept = packet.len() - payload(&packet).unwrap() - FIXED;
            let body = |packet: &Packet| {
                packet::body(Header::of(packet), packet).unwrap().payload.to_vec()
            };
            let given = body(&packets[0]).len() - FIXED - STAMP
                + if begins(&packets[1]) == Begins::Nothing { body(&packets[1]).len() } else { 0 };
            assert_eq!(given, kept, "{length}");
        }
    }
}
