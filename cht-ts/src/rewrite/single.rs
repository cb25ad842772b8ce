//! Extracts one elementary stream as a transport stream of its own.
//!
//! Its tables list the one PID and its codec; the packets of the PID follow unchanged, 188 bytes
//! each. A decoder needs no probing and cannot choose another stream. Streams that the sender's
//! tables do not list, or list wrongly, can be decoded this way.
use crate::codec::Codec;
use crate::packet::{Header, PACKET_LEN};
use crate::section::crc32;
use crate::sync::{self, Framing};

/// PID of the PMT in the output; the next one if the stream itself has this PID.
const PMT_PID: u16 = 0x1000;
/// `program_number` in the output.
const PROGRAM: u16 = 1;

/// Extracts one PID from a stream that is pushed in pieces of any size.
///
/// ```
/// use cht_ts::{Codec, Scanner, SingleStream, testutil};
///
/// let stream = testutil::h264(0x51, &[(9000, true), (12_600, false)]);
/// let mut out = Vec::new();
/// let mut single = SingleStream::begin(0x51, Codec::H264, &mut out).expect("a stream_type");
/// single.push(&stream, &mut out);
/// single.finish(&mut out);
///
/// let mut scanner = Scanner::new();
/// scanner.push(&out, &mut |_| {});
/// scanner.finish(&mut |_| {});
/// assert_eq!(scanner.programs()[0].streams[0].codec, Codec::H264);
/// assert_eq!(scanner.video_pid(), Some(0x51));
/// ```
#[derive(Debug)]
pub struct SingleStream {
    pid: u16,
    framing: Option<Framing>,
    in_sync: bool,
    /// Whether packets of other PIDs with a PCR are taken as well.
    with_clock: bool,
    carry: Vec<u8>,
    /// Offset of the first byte that was not consumed, from the beginning of the file.
    at: u64,
}

/// Gets each packet of the PID, and the offset of its first byte from the beginning of the file.
type Take<'a> = &'a mut dyn FnMut(u64, &[u8; PACKET_LEN]);

impl SingleStream {
    /// Tells whether `stream_type` alone describes a stream of `codec`.
    #[must_use]
    pub fn takes(codec: Codec) -> bool {
        codec.stream_type().is_some()
    }

    /// Tells whether tables can list sound of `codec`, with descriptors where it needs them.
    #[must_use]
    pub fn takes_sound(codec: Codec) -> bool {
        Self::takes(codec) || codec.descriptors(2).is_some()
    }

    /// Writes tables that list `pid` alone to `out`. Returns `None` if `codec` has no `stream_type`
    /// of its own (ISO/IEC 13818-1 table 2-34): its descriptors would have to be copied from the
    /// sender's PMT.
    #[must_use]
    pub fn begin(pid: u16, codec: Codec, out: &mut Vec<u8>) -> Option<Self> {
        Some(Self::begin_listed(pid, codec.stream_type()?, &[], out))
    }

    /// Does the same for sound of `channels` channels, also where descriptors have to name its
    /// codec: Opus, and linear PCM. Returns `None` for other codecs without a `stream_type`.
    #[must_use]
    pub fn begin_sound(pid: u16, codec: Codec, channels: u8, out: &mut Vec<u8>) -> Option<Self> {
        let Some(stream_type) = codec.stream_type() else {
            // Private data in PES packets.
            return Some(Self::begin_listed(pid, 0x06, &codec.descriptors(channels)?, out));
        };
        Some(Self::begin_listed(pid, stream_type, &[], out))
    }

    fn begin_listed(pid: u16, stream_type: u8, descriptors: &[u8], out: &mut Vec<u8>) -> Self {
        let pmt = if pid == PMT_PID { PMT_PID + 1 } else { PMT_PID };
        // §2.4.4.3: table_id 0, transport_stream_id 1, version 0, one program.
        let [program, pmt_field, pid_field] =
            [PROGRAM, 0xE000 | pmt, 0xE000 | pid].map(u16::to_be_bytes);
        let pat = [&[0, 1, 0xC1, 0, 0], &program[..], &pmt_field[..]].concat();
        // §2.4.4.8: table_id 2, PCR in the stream itself, no descriptors of the program, one
        // stream.
        let body = [
            &program[..],
            &[0xC1, 0, 0],
            &pid_field[..],
            &[0xF0, 0, stream_type],
            &pid_field[..],
            &[0xF0, descriptors.len() as u8],
            descriptors,
        ]
        .concat();
        out.extend(table(0, 0, &pat));
        out.extend(table(pmt, 2, &body));
        Self::of(pid)
    }

    /// Extracts `pid` without tables, where its packets alone are wanted.
    #[must_use]
    pub fn of(pid: u16) -> Self {
        Self { pid, framing: None, in_sync: false, with_clock: false, carry: Vec::new(), at: 0 }
    }

    /// Takes packets of other PIDs as well that have a PCR ([`pcr_of`](crate::pcr_of)).
    #[must_use]
    pub fn with_clock(self) -> Self {
        Self { with_clock: true, ..self }
    }

    /// Appends the packets of the PID in the next bytes to `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.push_to(bytes, &mut |_, packet| out.extend_from_slice(packet));
    }

    /// Gives `take` each packet of the PID in the next bytes, and its offset in the file.
    pub fn push_to(&mut self, bytes: &[u8], take: Take<'_>) {
        if self.carry.is_empty() {
            let used = self.consume(bytes, false, take);
            self.carry.extend_from_slice(&bytes[used..]);
            return;
        }
        self.carry.extend_from_slice(bytes);
        let carry = std::mem::take(&mut self.carry);
        let used = self.consume(&carry, false, take);
        self.carry.extend_from_slice(&carry[used..]);
    }

    /// Ends the input, which may end within a packet. The next push begins another file.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.finish_to(&mut |_, packet| out.extend_from_slice(packet));
    }

    /// Does the same, and gives `take` the last packet.
    pub fn finish_to(&mut self, take: Take<'_>) {
        let carry = std::mem::take(&mut self.carry);
        self.consume(&carry, true, take);
        self.at = 0;
    }

    /// Notes that the next byte pushed is byte `at` of its file.
    pub fn begin_at(&mut self, at: u64) {
        self.at = at;
    }

    fn consume(&mut self, window: &[u8], end: bool, take: Take<'_>) -> usize {
        let used = self.consume_packets(window, end, take);
        self.at += used as u64;
        used
    }

    fn consume_packets(&mut self, window: &[u8], end: bool, take: Take<'_>) -> usize {
        let mut used = 0;
        loop {
            if !self.in_sync {
                let (skipped, framing) = sync::search(&window[used..], self.framing, end);
                used += skipped;
                let Some(framing) = framing else { return used };
                (self.framing, self.in_sync) = (Some(framing), true);
            }
            let Some(Framing { len, lead }) = self.framing else { return used };
            let need = if end { lead + PACKET_LEN } else { len };
            while window.len() - used >= need {
                let rest = &window[used..];
                let Some(packet) = rest.get(lead..).and_then(<[u8]>::first_chunk::<PACKET_LEN>)
                else {
                    return used;
                };
                let header = Header::of(packet);
                if !header.in_sync() {
                    self.in_sync = false;
                    break;
                }
                let is_meant = header.pid() == self.pid
                    || self.with_clock && super::stamps::pcr_of(packet).is_some();
                if is_meant && !header.transport_error() {
                    take(self.at + used as u64, packet);
                }
                used += len.min(rest.len());
            }
            if self.in_sync {
                return used;
            }
        }
    }
}

/// Makes a packet of one section (§2.4.4.1). `body` begins after `section_length` and has no CRC.
pub(crate) fn table(pid: u16, table_id: u8, body: &[u8]) -> [u8; PACKET_LEN] {
    let mut packet = [0xFF; PACKET_LEN];
    let [high, low] = (0x4000 | pid).to_be_bytes();
    // pointer_field 0; section_length counts the CRC.
    packet[..8].copy_from_slice(&[0x47, high, low, 0x10, 0, table_id, 0xB0, body.len() as u8 + 4]);
    packet[8..8 + body.len()].copy_from_slice(body);
    let end = 8 + body.len();
    let crc = crc32(&packet[5..end]);
    packet[end..end + 4].copy_from_slice(&crc.to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Found, Scanner};

    fn packet(pid: u16, counter: u8) -> [u8; PACKET_LEN] {
        let mut packet = [counter; PACKET_LEN];
        let [high, low] = pid.to_be_bytes();
        packet[..4].copy_from_slice(&[0x47, high, low, 0x10 | counter]);
        packet
    }

    #[test]
    fn packets_with_the_clock_are_taken_where_asked() {
        let mut clock = packet(0x100, 1);
        clock[3..6].copy_from_slice(&[0x30, 7, 0x10]);
        let bytes = [packet(0x51, 0), clock, packet(0x100, 2), packet(0x51, 1)].concat();
        for (with_clock, expected) in [(false, vec![0, 564]), (true, vec![0, 188, 564])] {
            let single = SingleStream::begin(0x51, Codec::Aac, &mut Vec::new()).unwrap();
            let mut single = if with_clock { single.with_clock() } else { single };
            let mut taken = Vec::new();
            single.push_to(&bytes, &mut |at, _| taken.push(at));
            single.finish_to(&mut |at, _| taken.push(at));
            assert_eq!(taken, expected);
        }
    }

    #[test]
    fn tables_list_the_one_stream() {
        for pid in [0x3D, PMT_PID] {
            let mut out = Vec::new();
            SingleStream::begin(pid, Codec::Hevc, &mut out).unwrap();
            let mut scanner = Scanner::new();
            let mut programs = 0;
            let mut found =
                |found: Found<'_>| programs += u8::from(matches!(found, Found::Programs(_)));
            scanner.push(&out, &mut found);
            scanner.finish(&mut found);
            assert!(programs > 0);
            let stream = &scanner.programs()[0].streams[0];
            assert_eq!((stream.pid, stream.codec), (pid, Codec::Hevc));
            assert_eq!(scanner.counters().psi_crc_errors, 0);
        }
    }

    #[test]
    fn tables_list_sound_that_descriptors_name() {
        for codec in [Codec::Aac, Codec::AacLatm, Codec::Ac3, Codec::Eac3, Codec::Opus] {
            let mut out = Vec::new();
            assert!(SingleStream::takes_sound(codec));
            SingleStream::begin_sound(0x101, codec, 6, &mut out).unwrap();
            let mut scanner = Scanner::new();
            scanner.push(&out, &mut |_| {});
            scanner.finish(&mut |_| {});
            let stream = &scanner.programs()[0].streams[0];
            assert_eq!((stream.pid, stream.codec), (0x101, codec));
            let channels = stream.audio.map(|audio| audio.channels);
            assert_eq!(channels, (codec == Codec::Opus).then_some(6));
        }
        assert!(SingleStream::begin_sound(0x101, Codec::Klv, 2, &mut Vec::new()).is_none());
        assert!(!SingleStream::takes_sound(Codec::Klv));
    }

    #[test]
    fn packets_of_one_pid_are_kept_in_any_pieces() {
        let mut wanted = Vec::new();
        let mut stream = vec![0xAA; 100];
        for counter in 0..12 {
            stream.extend(packet(0x50, counter));
            stream.extend(packet(0x51, counter));
            wanted.extend(packet(0x51, counter));
            if counter == 5 {
                stream.extend([0xBB; 77]);
            }
        }
        for size in [1, 100, 188, 1000, 100_000] {
            let mut at = Vec::new();
            let mut single = SingleStream::begin(0x51, Codec::H264, &mut Vec::new()).unwrap();
            let mut take = |offset, packet: &[u8; PACKET_LEN]| at.push((offset, packet[4]));
            stream.chunks(size).for_each(|chunk| single.push_to(chunk, &mut take));
            single.finish_to(&mut take);
            for (offset, counter) in at {
                let damage = if counter > 5 { 77 } else { 0 };
                let before = 100 + 188 * (2 * u64::from(counter) + 1);
                assert_eq!(offset, before + damage, "in pieces of {size}");
            }
            let mut out = Vec::new();
            let mut single = SingleStream::begin(0x51, Codec::H264, &mut out).unwrap();
            out.clear();
            stream.chunks(size).for_each(|chunk| single.push(chunk, &mut out));
            single.finish(&mut out);
            assert_eq!(out, wanted, "in pieces of {size}");
        }
    }
}
