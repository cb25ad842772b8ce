//! Parameter sets for a decoder that begins in the middle of a stream whose encoder sent them once,
//! before.
use crate::codec::Codec;
use crate::packet::{self, Header, PACKET_LEN, Packet};
use crate::pes;
use crate::video::access::Walk;

/// Longest beginning of an access unit that is held back, in bytes.
const MAX_HELD: usize = 256 << 10;

/// Passes the packets of one PID on, and inserts parameter sets before the first keyframe that
/// comes without any.
///
/// It holds back the beginning of an access unit until the first slice, and nothing after the first
/// keyframe.
///
/// ```
/// use cht_ts::{Codec, Completion, PACKET_LEN, testutil};
///
/// let sets = b"\0\0\0\x01\x67\x64\0\x28\xAC\0\0\0\x01\x68\xEB".to_vec();
/// let stream = testutil::h264(0x51, &[(9000, true), (12_600, false)]);
/// let mut completion = Completion::new(0x51, Codec::H264, sets.clone());
/// let mut out = Vec::new();
/// completion.push(&stream, &mut out);
/// completion.finish(&mut out);
/// assert!(out[..PACKET_LEN].ends_with(&sets));
/// assert_eq!(out[PACKET_LEN..], stream);
/// ```
#[derive(Debug)]
pub struct Completion {
    pid: u16,
    codec: Codec,
    /// As an elementary stream; taken when it is known whether they are needed.
    sets: Option<Vec<u8>>,
    walk: Walk,
    stage: Stage,
    /// Packets of the access unit that has begun.
    held: Vec<u8>,
    /// The header of its first PES packet with time stamps.
    header: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In a picture that is no keyframe.
    Passing,
    /// No slice of the access unit was seen.
    Holding,
}

impl Completion {
    /// Completes the video of `pid` with `sets`, an elementary stream.
    #[must_use]
    pub fn new(pid: u16, codec: Codec, sets: Vec<u8>) -> Self {
        let sets = Some(sets).filter(|sets| !sets.is_empty());
        let (stage, held, header) = (Stage::Passing, Vec::new(), Vec::new());
        Self { pid, codec, sets, walk: Walk::new(), stage, held, header }
    }

    /// Appends whole packets of the PID to `out`.
    pub fn push(&mut self, packets: &[u8], out: &mut Vec<u8>) {
        let mut rest = packets;
        while self.sets.is_some()
            && let Some((packet, behind)) = rest.split_first_chunk::<PACKET_LEN>()
        {
            self.packet(packet, out);
            rest = behind;
        }
        out.extend_from_slice(rest);
    }

    /// Appends the packets that are held back: no more come.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
    }

    fn packet(&mut self, packet: &Packet, out: &mut Vec<u8>) {
        let header = Header::of(packet);
        let body = packet::body(header, packet).filter(|_| !header.scrambled());
        let mut payload = body.map_or(&[][..], |body| body.payload);
        if header.unit_start() {
            let is_lead = self.stage == Stage::Holding && self.walk.end();
            if !is_lead {
                out.append(&mut self.held);
                self.header.clear();
            }
            let pes::Header::Pes { pts, len, .. } = pes::read(payload) else {
                self.stage = Stage::Passing;
                return out.extend_from_slice(packet);
            };
            if let Some(header) = payload.get(..len)
                && (self.header.is_empty() || pts.is_some())
            {
                self.header = header.to_vec();
            }
            payload = payload.get(len..).unwrap_or_default();
            let codec = Some(self.codec);
            let walks = if is_lead { self.walk.resume(codec) } else { self.walk.start(codec) };
            self.stage = if walks { Stage::Holding } else { Stage::Passing };
        }
        if self.stage == Stage::Passing {
            return out.extend_from_slice(packet);
        }
        self.held.extend_from_slice(packet);
        match self.walk.push(payload) {
            None if self.held.len() < MAX_HELD => return,
            Some(true) => {
                let sets = self.sets.take().filter(|_| !self.walk.has_parameters());
                if let Some(sets) = sets {
                    self.write(&sets, out);
                }
            }
            _ => {}
        }
        self.stage = Stage::Passing;
        out.append(&mut self.held);
    }

    /// Writes `sets` as a PES packet with the time stamps of the access unit, which the decoder
    /// takes for that unit's.
    fn write(&self, sets: &[u8], out: &mut Vec<u8>) {
        let mut bytes = if self.header.is_empty() {
            vec![0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0]
        } else {
            self.header.clone()
        };
        bytes[4..6].fill(0);
        bytes.extend_from_slice(sets);
        let first = self.held.first_chunk::<PACKET_LEN>();
        let next = first.map_or(0, |packet| Header::of(packet).continuity());
        let count = packet::packets_of(bytes.len());
        // So that the packets that follow continue it.
        let mut counter = (16 + next - (count % 16) as u8) % 16;
        packet::write(self.pid, &mut counter, &bytes, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Found, Scanner, testutil};

    const PID: u16 = 0x51;
    const SETS: &[u8] = b"\0\0\0\x01\x67\x64\0\x28\xAC\0\0\0\x01\x68\xEB";
    const AUD: &[u8] = b"\0\0\0\x01\x09\xF0";
    const IDR: &[u8] = b"\0\0\x01\x65\x88\x80";
    const OTHER: &[u8] = b"\0\0\x01\x41\x9A\x80";

    /// Returns the packets of `units` (PTS, payload), and the same completed in pieces of `pieces`
    /// packets.
    fn completed(units: &[(Option<i64>, Vec<u8>)], pieces: usize) -> (Vec<u8>, Vec<u8>) {
        let mut counter = 9;
        let mut packets = Vec::new();
        for (pts, payload) in units {
            let pes = testutil::pes(0xE0, *pts, None, payload);
            packets.extend(testutil::packets(PID, &mut counter, None, &pes).concat());
        }
        let mut completion = Completion::new(PID, Codec::H264, SETS.to_vec());
        let mut out = Vec::new();
        packets.chunks(pieces * PACKET_LEN).for_each(|piece| completion.push(piece, &mut out));
        completion.finish(&mut out);
        let mut scanner = Scanner::new();
        scanner.push(&out, &mut |found| assert!(!matches!(found, Found::Damage(_)), "{found:?}"));
        (packets, out)
    }

    #[test]
    fn sets_come_before_the_first_keyframe_that_lacks_them() {
        let later = (Some(20), [AUD, IDR].concat());
        let units = [(Some(10), [AUD, OTHER].concat()), later.clone(), later];
        let before =
            testutil::packets(PID, &mut 9, None, &testutil::pes(0xE0, Some(10), None, &units[0].1));
        for pieces in [1, 2, 100] {
            let (packets, out) = completed(&units, pieces);
            assert_eq!(out.len(), packets.len() + PACKET_LEN, "once");
            let at = before.len() * PACKET_LEN;
            assert_eq!((&out[..at], &out[at + PACKET_LEN..]), (&packets[..at], &packets[at..]));
            let added = &out[at..at + PACKET_LEN];
            assert!(added.ends_with(SETS));
            let header = testutil::pes(0xE0, Some(20), None, &[]);
            assert!(added.windows(header.len()).any(|window| window == header));
        }
    }

    #[test]
    fn stream_with_its_own_sets_stays_as_it_is() {
        let whole = vec![(Some(10), [AUD, SETS, IDR].concat()), (Some(20), IDR.to_vec())];
        // The same keyframe with each of its units in a PES packet of its own.
        let parts = [AUD, SETS, IDR].map(|unit| (Some(10), unit.to_vec()));
        for units in [whole, parts.to_vec()] {
            let (packets, out) = completed(&units, 1);
            assert_eq!(out, packets);
        }
    }

    #[test]
    fn keyframe_in_several_pes_packets_is_completed_before_the_first_of_them() {
        let parts = [(None, AUD.to_vec()), (Some(10), IDR.to_vec())];
        let (packets, out) = completed(&parts, 1);
        assert_eq!(&out[PACKET_LEN..], packets);
    }
}
