//! Ends the last picture of a stream for a decoder that waits for the next one.
//!
//! A demuxer ends a PES packet when the next one begins, and a parser an access unit when another
//! one does. Where a sender pauses, an access unit delimiter (ISO/IEC 14496-10 §7.3.2.4, ISO/IEC
//! 23008-2 §7.3.2.5) ends the picture at once. The next picture then begins with two delimiters,
//! which decoders accept, and has the time stamp of the first one, which is invented:
//! [`Delimiter::take_stamp`] gives the true one when the picture comes.
use super::stamps::{self, Begins, begins};
use crate::codec::Codec;
use crate::packet::{self, Header, PACKET_LEN, Packet};
use crate::time::Pts;

/// Length of the delimiter's part in the second packet, in bytes. ffmpeg passes a PES packet of
/// known length on when it ends in another packet than the PES packet before it
/// (`libavformat/mpegts.c`).
const SECOND: usize = 2;

/// A time stamp that a decoder was given instead of the stream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandIn {
    /// Time stamp that the decoder has.
    pub given: Pts,
    /// Time stamp of the stream; `None` if the picture has none.
    pub stamp: Option<Pts>,
}

/// Passes the packets of one video on, and inserts delimiters on request.
///
/// It inserts one only where that changes no picture: each PES packet so far had a PTS, began an
/// access unit and came in display order, and the end of the last one is marked.
///
/// ```
/// use cht_ts::{Codec, Delimiter, PACKET_LEN, testutil};
///
/// let mut delimiter = Delimiter::new(0x51, Codec::H264).expect("H.264 has delimiters");
/// let mut packets = testutil::h264(0x51, &[(9000, true)]);
/// delimiter.pass(&mut packets);
/// assert!(delimiter.end_picture(&mut packets));
/// assert_eq!(packets.len(), 3 * PACKET_LEN, "a picture, and a delimiter in two packets");
/// ```
#[derive(Debug)]
pub struct Delimiter {
    pid: u16,
    codec: Codec,
    /// Nothing came in which a delimiter would break a picture.
    is_plain: bool,
    last: Option<Last>,
    /// Packets inserted so far, and the counter of the last packet, both modulo 16.
    added: u8,
    counter: u8,
    /// PTS of the last delimiter, if nothing came after it.
    open: Option<Pts>,
    stand_in: Option<StandIn>,
}

/// The PES packet that began last.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// PTS in the stream, and PTS that the decoder was given.
    pts: Pts,
    given: Pts,
    /// Bytes that are missing, if its length is known.
    lacks: Option<usize>,
    is_whole: bool,
}

impl Delimiter {
    /// Delimits the video of `pid`; `None` if `codec` has no delimiters.
    #[must_use]
    pub fn new(pid: u16, codec: Codec) -> Option<Self> {
        matches!(codec, Codec::H264 | Codec::Hevc).then_some(Self {
            pid,
            codec,
            is_plain: true,
            last: None,
            added: 0,
            counter: 0,
            open: None,
            stand_in: None,
        })
    }

    /// Takes the next packets, whole, of tables and of the one video, and adjusts their continuity
    /// counters. Returns whether they carry any payload of the video: a PCR may come alone.
    pub fn pass(&mut self, packets: &mut [u8]) -> bool {
        let mut has_video = false;
        for packet in packets.as_chunks_mut::<PACKET_LEN>().0 {
            let header = Header::of(packet);
            if header.pid() == self.pid {
                self.counter = (header.continuity() + self.added) & 15;
                packet[3] = packet[3] & 0xF0 | self.counter;
                self.take(header, packet);
                has_video |= header.has_payload();
            }
        }
        has_video
    }

    /// Appends a delimiter to `out` if the last picture is whole and none was appended since.
    /// Returns whether the picture is ended now.
    pub fn end_picture(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(last) = self.last.filter(|last| self.is_plain && last.is_whole) else {
            return false;
        };
        if self.open.is_some() {
            return true;
        }
        let given = last.given + 1;
        let unit: &[u8] = match self.codec {
            Codec::Hevc => &[0, 0, 0, 1, 0x46, 0x01, 0x50],
            _ => &[0, 0, 0, 1, 0x09, 0xF0],
        };
        let pes = stamps::pes(given, unit);
        let (first, second) = pes.split_at(pes.len() - SECOND);
        let mut counter = (self.counter + 1) & 15;
        packet::write_part(self.pid, true, &mut counter, first, out);
        packet::write_part(self.pid, false, &mut counter, second, out);
        self.counter = (counter + 15) & 15;
        (self.added, self.open) = ((self.added + 2) & 15, Some(given));
        true
    }

    /// Returns the PTS of the last picture, if no other picture is displayed after it yet.
    #[must_use]
    pub fn newest(&self) -> Option<Pts> {
        self.last.filter(|_| self.is_plain).map(|last| last.pts)
    }

    /// Takes the invented time stamp of a picture that began in the last packets.
    pub fn take_stamp(&mut self) -> Option<StandIn> {
        self.stand_in.take()
    }

    fn take(&mut self, header: Header, packet: &Packet) {
        let body = packet::body(header, packet).filter(|_| !header.scrambled());
        let Some(body) = body else { return self.is_plain = false };
        if !header.has_payload() {
            return;
        }
        let payload = body.payload;
        if header.unit_start() {
            self.begin(packet, payload);
        } else if let Some(last) = &mut self.last {
            last.lacks = last.lacks.map(|lacks| lacks.saturating_sub(payload.len()));
        }
        if let Some(last) = &mut self.last {
            last.is_whole = match last.lacks {
                Some(lacks) => lacks == 0,
                // Only the end of a PES packet is filled up.
                None => is_stuffed(packet),
            };
        }
    }

    fn begin(&mut self, packet: &Packet, payload: &[u8]) {
        let stamp = match begins(packet) {
            Begins::Stamped { pts, dts } if dts.is_none_or(|dts| dts == pts) => Some(pts),
            // Pictures may be shown in another order, or a PES packet may hold a part of one.
            _ => None,
        };
        let given = self.open.take();
        if let Some(given) = given {
            self.stand_in = Some(StandIn { given, stamp });
        }
        let header = payload.get(8).map_or(0, |&length| 9 + usize::from(length));
        let is_unit = payload.get(header..).is_some_and(|unit| self.begins_unit(unit));
        let Some(pts) = stamp.filter(|_| is_unit) else { return self.is_plain = false };
        let length = payload
            .first_chunk::<6>()
            .map_or(0, |&[.., high, low]| usize::from(u16::from_be_bytes([high, low])));
        let lacks = (length > 0).then(|| (length + 6).saturating_sub(payload.len()));
        let given = given.unwrap_or(pts);
        self.last = Some(Last { pts, given, lacks, is_whole: false });
    }

    /// Tells whether an access unit begins with these bytes.
    fn begins_unit(&self, bytes: &[u8]) -> bool {
        let Some(start) = bytes.windows(3).position(|window| window == [0, 0, 1]) else {
            return false;
        };
        let is_first = bytes[..start].iter().all(|&byte| byte == 0);
        let Some(&[first, second, third]) = bytes.get(start + 3..start + 6) else { return false };
        is_first
            && match self.codec {
                Codec::Hevc => match first >> 1 & 0x3F {
                    // first_slice_segment_in_pic_flag
                    0..=31 => third & 0x80 != 0,
                    kind => matches!(kind, 32..=35 | 39),
                },
                // first_mb_in_slice is 0.
                _ => match first & 0x1F {
                    1 | 5 => second & 0x80 != 0,
                    kind => matches!(kind, 6..=9),
                },
            }
    }
}

/// Tells whether the adaptation field of a packet is longer than its contents (ISO/IEC 13818-1
/// §2.4.3.4).
fn is_stuffed(packet: &Packet) -> bool {
    if !Header::of(packet).has_adaptation_field() {
        return false;
    }
    let length = usize::from(packet[4]);
    let Some(&flags) = packet.get(5).filter(|_| length > 0) else { return true };
    let fixed = [(0x10, 6), (0x08, 6), (0x04, 1)];
    let mut used =
        1 + fixed.iter().map(|(flag, size)| usize::from(flags & flag != 0) * size).sum::<usize>();
    for flag in [0x02, 0x01] {
        if flags & flag != 0 {
            let Some(&size) = packet.get(5 + used) else { return false };
            used += 1 + usize::from(size);
        }
    }
    used < length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Found, Scanner, testutil};

    const PID: u16 = 0x51;
    const SLICE: &[u8] = b"\0\0\0\x01\x09\xF0\0\0\x01\x41\x9A\x80";

    /// Returns the packets of PES packets with these PTS, DTS and payloads.
    fn stream(units: &[(Option<i64>, Option<i64>, Vec<u8>)]) -> Vec<Vec<u8>> {
        let mut counter = 5;
        let packets = |(pts, dts, payload): &(_, _, Vec<u8>)| {
            testutil::packets(PID, &mut counter, None, &testutil::pes(0xE0, *pts, *dts, payload))
                .concat()
        };
        units.iter().map(packets).collect()
    }

    fn picture(pts: i64) -> (Option<i64>, Option<i64>, Vec<u8>) {
        (Some(pts), None, [SLICE, &[0x55; 700]].concat())
    }

    fn delimiter() -> Delimiter {
        Delimiter::new(PID, Codec::H264).unwrap()
    }

    #[test]
    fn delimiter_comes_once_and_the_next_picture_has_its_time() {
        let (mut delimiter, mut out) = (delimiter(), Vec::new());
        let stamps = [9000, 99_000, 189_000];
        let mut given = Vec::new();
        for mut packets in stream(&stamps.map(picture)) {
            delimiter.pass(&mut packets);
            given.extend(delimiter.take_stamp());
            out.extend(packets);
            let ended = [(); 2].map(|()| delimiter.end_picture(&mut out));
            assert_eq!((ended, delimiter.take_stamp()), ([true; 2], None));
        }
        // Time hardly passes for the decoder, whose pictures keep their order.
        let stand_in =
            |given, stamp| StandIn { given: Pts::new(given), stamp: Some(Pts::new(stamp)) };
        assert_eq!(given, [stand_in(9001, 99_000), stand_in(9002, 189_000)]);
        let packets = out.as_chunks::<PACKET_LEN>().0;
        let begun: Vec<_> = packets
            .iter()
            .filter_map(|packet| match begins(packet) {
                Begins::Stamped { pts, .. } => Some(pts),
                _ => None,
            })
            .collect();
        assert_eq!(begun, [9000, 9001, 99_000, 9002, 189_000, 9003].map(Pts::new));
        let mut scanner = Scanner::new();
        scanner.push(&out, &mut |_: Found<'_>| {});
        assert_eq!(scanner.counters().continuity_errors, 0);
    }

    #[test]
    fn unsafe_places_get_no_delimiter() {
        let payload = |length: usize| [SLICE, &vec![0x55; length][..]].concat();
        let whole = stream(&[picture(9000)]).concat();
        let cases = [
            // A picture that has not come to its end, and one whose end is not marked.
            whole[..whole.len() - PACKET_LEN].to_vec(),
            stream(&[(Some(9000), None, payload(170 + 184 - SLICE.len()))]).concat(),
            stream(&[(Some(9000), Some(5400), payload(700))]).concat(),
            stream(&[(None, None, payload(700))]).concat(),
            // The end of a picture that has begun before, and a further slice.
            stream(&[(Some(9000), None, vec![0x55; 700])]).concat(),
            stream(&[(Some(9000), None, b"\0\0\x01\x41\x5A\x80".to_vec())]).concat(),
        ];
        for (n, mut packets) in cases.into_iter().enumerate() {
            let (mut delimiter, mut out) = (delimiter(), Vec::new());
            let before = packets.clone();
            delimiter.pass(&mut packets);
            assert_eq!(packets, before);
            assert!(!delimiter.end_picture(&mut out) && out.is_empty(), "{n}");
        }
    }

    #[test]
    fn picture_of_known_length_is_whole_without_stuffing() {
        let length = 184 * 2 - 14;
        let mut pes = testutil::pes(
            0xE0,
            Some(9000),
            None,
            &[SLICE, &vec![0x55; length - SLICE.len()][..]].concat(),
        );
        let size = u16::try_from(pes.len() - 6).unwrap();
        pes[4..6].copy_from_slice(&size.to_be_bytes());
        let mut packets = testutil::packets(PID, &mut 0, None, &pes).concat();
        assert_eq!(packets.len(), 2 * PACKET_LEN);
        let (mut delimiter, mut out) = (delimiter(), Vec::new());
        delimiter.pass(&mut packets[..PACKET_LEN]);
        assert!(!delimiter.end_picture(&mut out));
        assert!(delimiter.pass(&mut packets[PACKET_LEN..]));
        assert!(delimiter.end_picture(&mut out));
        assert_eq!(out.len(), 2 * PACKET_LEN);
        // The clock of the stream goes on.
        let mut clock = testutil::packet_with(PID, 1, false, Some(0x10), &[]);
        assert!(!delimiter.pass(&mut clock) && delimiter.end_picture(&mut out));
        assert_eq!((clock[3] & 15, out.len()), (3, 2 * PACKET_LEN));
    }
}
