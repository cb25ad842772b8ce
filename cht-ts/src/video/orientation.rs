//! Hides display orientation messages from a decoder.
//!
//! ffmpeg starts its filters anew at each picture that carries one, and at the next that does not,
//! and loses the score of a cut between the two. A message of another type, of the same length, is
//! skipped.
use crate::codec::Codec;
use crate::packet::PACKET_LEN;

/// `payloadType` of a display orientation (Rec. ITU-T H.264 and H.265, annex D), and one that no
/// edition has assigned.
const ORIENTATION: u8 = 47;
const RESERVED: u8 = 63;

/// Tells by the first byte of a NAL unit whether it is an SEI.
type IsMessage = fn(u8) -> bool;

/// Hides the orientation messages in the packets of one video, in place.
#[derive(Debug)]
pub struct OrientationMask {
    header: usize,
    is_message: IsMessage,
    at: At,
    /// Zeros before the next byte, at most two.
    zeros: u8,
    /// Bytes read of the current orientation message, and their number.
    message: (u32, u32),
    turn: Option<i32>,
}

/// Meaning of the next byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// One of a NAL unit without messages.
    Other,
    /// The first byte of a NAL unit.
    Start,
    /// A byte of a header, of which this many are left.
    Header(usize),
    /// The first byte of `payloadType`, or a later one.
    Type,
    LaterType,
    /// `payloadSize`, as far as it is known, or a part of it.
    Size(usize),
    /// A byte of the message, of which this many are left.
    Payload(usize),
}

impl OrientationMask {
    /// Returns a mask for video of `codec`; `None` if it has no such message.
    #[must_use]
    pub fn new(codec: Codec) -> Option<Self> {
        let (header, is_message): (_, IsMessage) = match codec {
            Codec::H264 => (1, |byte| byte & 0x1F == 6),
            Codec::Hevc => (2, |byte| matches!(byte >> 1 & 0x3F, 39 | 40)),
            _ => return None,
        };
        Some(Self { header, is_message, at: At::Other, zeros: 0, message: (0, 3), turn: None })
    }

    /// Hides the messages in the next packets, whole, of tables and of the one video.
    pub fn hide(&mut self, packets: &mut [u8]) {
        for packet in packets.chunks_exact_mut(PACKET_LEN) {
            let field = if packet[3] & 0x20 == 0 { 0 } else { 1 + usize::from(packet[4]) };
            let mut from = 4 + field;
            if packet[3] & 0x10 == 0 || from >= PACKET_LEN {
                continue;
            }
            if packet[1] & 0x40 != 0 {
                (self.at, self.zeros) = (At::Other, 0);
                // §2.4.3.6: the header of a PES packet; a table has none.
                if !packet[from..].starts_with(&[0, 0, 1]) || from + 9 > PACKET_LEN {
                    continue;
                }
                from += 9 + usize::from(packet[from + 8]);
            }
            for byte in packet.iter_mut().skip(from) {
                self.take(byte);
            }
        }
    }

    /// Takes the degrees by which the last orientation turns pictures to the left, if it does.
    pub fn take_turn(&mut self) -> Option<i32> {
        self.turn.take()
    }

    /// Reads a byte of an orientation: after three flags, the turn in 2^16 parts.
    fn read(&mut self, value: u8) {
        if self.message.1 < 3 {
            self.message = (self.message.0 << 8 | u32::from(value), self.message.1 + 1);
            if self.message.1 == 3 {
                let turn = self.message.0 >> 5 & 0xFFFF;
                self.turn = Some((turn * 360 / 0x1_0000) as i32).filter(|&turn| turn != 0);
            }
        }
    }

    fn take(&mut self, byte: &mut u8) {
        let value = *byte;
        if self.zeros == 2 && value == 1 {
            (self.at, self.zeros) = (At::Start, 0);
            return;
        }
        let is_prevention = self.zeros == 2 && value == 3;
        self.zeros = if value == 0 { (self.zeros + 1).min(2) } else { 0 };
        if self.at == At::Other || is_prevention {
            return;
        }
        self.at = match self.at {
            At::Other => At::Other,
            At::Start if !(self.is_message)(value) => At::Other,
            At::Start if self.header > 1 => At::Header(self.header - 1),
            At::Header(left) if left > 1 => At::Header(left - 1),
            At::Start | At::Header(_) => At::Type,
            At::Type | At::LaterType if value == 0xFF => At::LaterType,
            At::LaterType => At::Size(0),
            At::Type => {
                if value == ORIENTATION {
                    *byte = RESERVED;
                    self.message = (0, 0);
                }
                At::Size(0)
            }
            At::Size(size) => match size + usize::from(value) {
                size if value == 0xFF => At::Size(size),
                0 => At::Type,
                size => At::Payload(size),
            },
            At::Payload(left) => {
                self.read(value);
                if left > 1 { At::Payload(left - 1) } else { At::Type }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes the packets of one PES packet with this video, each with `room` bytes of it.
    fn packets(video: &[u8], room: usize) -> Vec<u8> {
        let pes = [&[0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0], video].concat();
        let mut packets = Vec::new();
        for (n, part) in pes.chunks(room).enumerate() {
            let mut packet = [0xFF; PACKET_LEN];
            let start = if n == 0 { 0x41 } else { 1 };
            packet[..4].copy_from_slice(&[0x47, start, 0, 0x30 | n as u8 & 15]);
            (packet[4], packet[5]) = ((PACKET_LEN - 5 - part.len()) as u8, 0);
            packet[PACKET_LEN - part.len()..].copy_from_slice(part);
            packets.extend(packet);
        }
        packets
    }

    #[test]
    fn only_orientation_messages_are_hidden() {
        // Two messages, the first with an emulation prevention byte, and a slice that looks like
        // them.
        let h264 = [
            &[0, 0, 1, 6, 4, 4, 47, 0, 0, 3, 1][..],
            &[47, 3, 8, 0, 8, 0xFF, 47, 1, 9, 0x80],
            &[0, 0, 0, 1, 0x65, 47, 2, 6, 47],
        ]
        .concat();
        let hevc =
            [&[0, 0, 1, 39 << 1, 1, 47, 3, 8, 0, 8, 0x80, 0, 0, 1, 38, 1, 47, 1, 9][..]].concat();
        for (codec, video, at) in [(Codec::H264, h264, 11), (Codec::Hevc, hevc, 5)] {
            let mut expected = video.clone();
            assert_eq!(expected[at], ORIENTATION);
            expected[at] = RESERVED;
            for room in [9, 11, 20, 150] {
                let mut found = packets(&video, room);
                let mut mask = OrientationMask::new(codec).unwrap();
                mask.hide(&mut found);
                assert_eq!(mask.take_turn(), Some(90));
                assert_eq!(found, packets(&expected, room), "{codec:?}, {room} bytes a packet");
            }
        }
        assert!(OrientationMask::new(Codec::Mpeg2Video).is_none());
    }
}
