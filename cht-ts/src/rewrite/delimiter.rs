//! Ends the last PES packet and the last picture of a stream for a decoder that waits for the next.
//!
//! A demuxer ends a PES packet when the next one begins, and a parser an access unit when another
//! one does: a picture is decoded when the second one after it begins.
//!
//! A PES packet whose end is marked is followed by one of padding (`stream_id` 0xBE, ISO/IEC
//! 13818-1 §2.4.3.7), which ends it and holds nothing. Should the PES packet go on all the same,
//! its rest gets a header without a time stamp, which for a parser changes nothing.
//!
//! Where a sender pauses, an access unit delimiter (ISO/IEC 14496-10 §7.3.2.4, ISO/IEC 23008-2
//! §7.3.2.5) ends the picture at once. The next picture then begins with two delimiters, which
//! decoders accept, and has the time stamp of the first one, which is invented:
//! [`Delimiter::take_stamp`] gives the true one when the picture comes.
use super::stamps::{self, Begins, begins};
use crate::codec::Codec;
use crate::packet::{self, Header, PACKET_LEN, Packet};
use crate::time::Pts;

/// Length of the delimiter's part in the second packet, in bytes. ffmpeg passes a PES packet of
/// known length on when it ends in another packet than the PES packet before it
/// (`libavformat/mpegts.c`).
const SECOND: usize = 2;

/// Headers of a PES packet of padding without any, and of one of video without a time stamp and
/// without a length.
const PADDING: [u8; 6] = [0, 0, 1, 0xBE, 0, 0];
const CONTINUATION: [u8; 9] = [0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0];

/// A time stamp that a decoder was given instead of the stream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandIn {
    /// Time stamp that the decoder has.
    pub given: Pts,
    /// Time stamp of the stream; `None` if the picture has none.
    pub stamp: Option<Pts>,
}

/// Passes the packets of one video on, and inserts padding and delimiters on request.
///
/// It inserts a delimiter only where that changes no picture: each PES packet so far had a PTS,
/// began an access unit and came in display order, and the end of the last one is marked.
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
    end: End,
    /// Padding follows the last PES packet.
    is_padded: bool,
    /// A PES packet went on after its end seemed to be marked.
    is_padding_useless: bool,
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
}

/// How much of the PES packet that began last has come.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    /// Bytes that are missing, if its length is known.
    lacks: Option<usize>,
    /// All of it, as far as can be told.
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
            end: End::default(),
            is_padded: false,
            is_padding_useless: false,
            added: 0,
            counter: 0,
            open: None,
            stand_in: None,
        })
    }

    /// Takes the next packets, whole, of tables and of the one video, and adjusts their continuity
    /// counters. Returns whether they carry any payload of the video: a PCR may come alone.
    pub fn pass(&mut self, packets: &mut Vec<u8>) -> bool {
        let mut has_video = false;
        let mut at = 0;
        while let Some(packet) = packets[at..].first_chunk::<PACKET_LEN>() {
            let header = Header::of(packet);
            if header.pid() == self.pid {
                has_video |= header.has_payload();
                if self.is_padded && header.has_payload() && !header.unit_start() {
                    let mut head = Vec::with_capacity(PACKET_LEN);
                    self.insert(true, &CONTINUATION, &mut head);
                    packets.splice(at..at, head);
                    (self.is_padded, self.is_padding_useless) = (false, true);
                    at += PACKET_LEN;
                }
                let Some(packet) = packets[at..].first_chunk_mut::<PACKET_LEN>() else { break };
                self.counter = (header.continuity() + self.added) & 15;
                packet[3] = packet[3] & 0xF0 | self.counter;
                self.take(header, packet);
            }
            at += PACKET_LEN;
        }
        has_video
    }

    /// Appends a packet of padding to `out` if the last PES packet is whole, so that a demuxer does
    /// not wait for the next one.
    pub fn end_packet(&mut self, out: &mut Vec<u8>) {
        if self.end.is_whole && !self.is_padded && !self.is_padding_useless && self.open.is_none() {
            self.insert(true, &PADDING, out);
            self.is_padded = true;
        }
    }

    /// Appends a delimiter to `out` if the last picture is whole and none was appended since.
    /// Returns whether the picture is ended now.
    pub fn end_picture(&mut self, out: &mut Vec<u8>) -> bool {
        let is_ended = self.is_plain && self.end.is_whole;
        let Some(last) = self.last.filter(|_| is_ended) else { return false };
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
        self.insert(true, first, out);
        self.insert(false, second, out);
        self.open = Some(given);
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
        let Some(body) = body else {
            (self.is_plain, self.end) = (false, End::default());
            return;
        };
        if !header.has_payload() {
            return;
        }
        let payload = body.payload;
        if header.unit_start() {
            self.begin(packet, payload);
        } else {
            self.end.lacks = self.end.lacks.map(|lacks| lacks.saturating_sub(payload.len()));
        }
        self.end.is_whole = match self.end.lacks {
            Some(lacks) => lacks == 0,
            // Only the end of a PES packet is filled up.
            None => is_stuffed(packet),
        };
    }

    /// Appends a packet to `out` that carries `part`.
    fn insert(&mut self, is_start: bool, part: &[u8], out: &mut Vec<u8>) {
        (self.counter, self.added) = ((self.counter + 1) & 15, (self.added + 1) & 15);
        let mut counter = self.counter;
        packet::write_part(self.pid, is_start, &mut counter, part, out);
    }

    fn begin(&mut self, packet: &Packet, payload: &[u8]) {
        let length = payload
            .first_chunk::<6>()
            .map_or(0, |&[.., high, low]| usize::from(u16::from_be_bytes([high, low])));
        self.end.lacks = (length > 0).then(|| (length + 6).saturating_sub(payload.len()));
        self.is_padded = false;
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
        let given = given.unwrap_or(pts);
        self.last = Some(Last { pts, given });
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

    /// Returns the payloads of the PES packets of video that a demuxer finds, with their PTS.
    fn demuxed(packets: &[u8]) -> Vec<(Option<Pts>, Vec<u8>)> {
        let mut found: Vec<(Option<Pts>, Vec<u8>)> = Vec::new();
        let mut is_padding = false;
        for packet in packets.as_chunks::<PACKET_LEN>().0 {
            let header = Header::of(packet);
            let Some(body) = packet::body(header, packet) else { continue };
            let mut payload = body.payload;
            if header.unit_start() {
                is_padding = payload[3] == 0xBE;
                if is_padding {
                    continue;
                }
                let pts = match begins(packet) {
                    Begins::Stamped { pts, .. } => Some(pts),
                    _ => None,
                };
                found.push((pts, Vec::new()));
                payload = &payload[9 + usize::from(payload[8])..];
            }
            if let Some(last) = found.last_mut().filter(|_| !is_padding) {
                last.1.extend_from_slice(payload);
            }
        }
        found
    }

    #[test]
    fn padding_ends_each_whole_packet_once_and_changes_nothing_else() {
        let (mut delimiter, mut out) = (delimiter(), Vec::new());
        // With B-frames, where no delimiter is inserted.
        let pictures = [(9000, 5400), (16_200, 9000), (12_600, 12_600)]
            .map(|(pts, dts)| (Some(pts), Some(dts), [SLICE, &[0x55; 700]].concat()));
        let parts = stream(&pictures);
        for packets in &parts {
            let (half, rest) = packets.split_at(2 * PACKET_LEN);
            for part in [half, rest, &[]] {
                let mut part = part.to_vec();
                delimiter.pass(&mut part);
                delimiter.end_packet(&mut part);
                out.extend(part);
            }
            let last = out.last_chunk::<PACKET_LEN>().unwrap();
            assert!(packet::body(Header::of(last), last).unwrap().payload.starts_with(&PADDING));
        }
        assert_eq!(out.len(), parts.concat().len() + 3 * PACKET_LEN);
        assert_eq!(demuxed(&out), demuxed(&parts.concat()));
        let mut scanner = Scanner::new();
        scanner.push(&out, &mut |_: Found<'_>| {});
        assert_eq!(scanner.counters().continuity_errors, 0);
    }

    #[test]
    fn rest_of_a_packet_that_is_stuffed_in_its_middle_is_kept() {
        let parts = stream(&[picture(9000), picture(12_600)]);
        // A packet of the PES packet that is filled up, as some multiplexers do anywhere.
        let mut counter = 4;
        let mut early = Vec::new();
        packet::write_part(
            PID,
            true,
            &mut counter,
            &testutil::pes(0xE0, Some(5400), None, SLICE),
            &mut early,
        );
        let mut rest = parts[0].clone();
        rest[1] &= 0xBF;
        let (mut delimiter, mut out) = (delimiter(), Vec::new());
        for part in [&early, &rest, &parts[1]] {
            let mut part = part.clone();
            delimiter.pass(&mut part);
            delimiter.end_packet(&mut part);
            out.extend(part);
        }
        let found = demuxed(&out);
        let pts: Vec<_> = found.iter().map(|(pts, _)| *pts).collect();
        assert_eq!(pts, [Some(Pts::new(5400)), None, Some(Pts::new(12_600))]);
        let payload = |found: &[(Option<Pts>, Vec<u8>)]| {
            found.iter().flat_map(|(_, payload)| payload.clone()).collect::<Vec<_>>()
        };
        assert_eq!(payload(&found), payload(&demuxed(&[early, rest, parts[1].clone()].concat())));
        // Padding and the header of the rest; none after the second one.
        assert_eq!(out.len(), (1 + 2) * PACKET_LEN + parts.concat().len());
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
        let mut second = packets.split_off(PACKET_LEN);
        delimiter.pass(&mut packets);
        assert!(!delimiter.end_picture(&mut out));
        assert!(delimiter.pass(&mut second));
        assert!(delimiter.end_picture(&mut out));
        assert_eq!(out.len(), 2 * PACKET_LEN);
        // The clock of the stream goes on.
        let mut clock = testutil::packet_with(PID, 1, false, Some(0x10), &[]).to_vec();
        assert!(!delimiter.pass(&mut clock) && delimiter.end_picture(&mut out));
        assert_eq!((clock[3] & 15, out.len()), (3, 2 * PACKET_LEN));
    }
}
