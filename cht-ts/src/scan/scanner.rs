//! The scanner: bytes in, findings out. It finds where packets begin, and gives each to the
//! [`Demux`].
use super::demux::{Demux, Sink};
use super::es::Es;
use super::found::{Counters, Found, PidCounters};
use crate::codec::Codec;
use crate::packet::{Header, PACKET_LEN};
use crate::program::Program;
use crate::sync::{self, Framing, LOOKAHEAD};
use crate::video::parameter_sets::ParameterSets;

/// Reads one stream, pushed in pieces of any size.
///
/// ```
/// use cht_ts::{Codec, Found, Pts, Scanner, testutil};
///
/// let pat = testutil::pat(0, 0, 0, &[(1, 0x100)]);
/// let pmt = testutil::pmt(1, 0, 0x101, &[(0x1B, 0x101, b"")]);
/// let mut stream = testutil::section_packets(0, &[&pat], 0).concat();
/// stream.extend(testutil::section_packets(0x100, &[&pmt], 0).concat());
/// stream.extend(testutil::h264(0x101, &[(9000, true), (12_600, false)]));
///
/// let mut keyframes = Vec::new();
/// let mut take = |found: Found<'_>| match found {
///     Found::Pes(pes) if pes.random_access => keyframes.push((pes.offset, pes.pts)),
///     _ => {}
/// };
/// let mut scanner = Scanner::new();
/// for piece in stream.chunks(100) {
///     scanner.push(piece, &mut take);
/// }
/// scanner.finish(&mut take);
/// assert_eq!(keyframes, [(376, Some(Pts::new(9000)))]);
/// assert_eq!(scanner.codec_of(0x101), Some(Codec::H264));
/// ```
#[derive(Debug)]
pub struct Scanner {
    framing: Option<Framing>,
    in_sync: bool,
    /// Bytes of the input that are not consumed yet: an incomplete packet, or less than
    /// `LOOKAHEAD` bytes of a search.
    carry: Vec<u8>,
    /// Offset of the first byte not consumed.
    at: u64,
    skipped: u64,
    demux: Demux,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

impl Scanner {
    /// Returns a scanner at the beginning of a connection or file.
    #[must_use]
    pub fn new() -> Self {
        let demux = Demux::new();
        Self { framing: None, in_sync: false, carry: Vec::new(), at: 0, skipped: 0, demux }
    }

    /// Returns a scanner that knows the programs, from packets such as [`psi`](Self::psi) returns:
    /// for a segment whose PSI lies in a file of its own. The packets count nowhere, and offsets
    /// begin after them.
    #[must_use]
    pub fn with_psi(packets: &[u8]) -> Self {
        let mut before = Self::new();
        before.push(packets, &mut |_| {});
        before.finish(&mut |_| {});
        Self { demux: Demux::with_psi(before.demux.psi), ..Self::new() }
    }

    /// Takes the next bytes, and gives `found` the findings that they decide, in stream order.
    pub fn push(&mut self, mut bytes: &[u8], found: Sink<'_>) {
        while !self.carry.is_empty() && !bytes.is_empty() {
            let before = self.carry.len();
            let wanted = match self.framing {
                Some(framing) if self.in_sync => framing.len.saturating_sub(before).max(1),
                _ => LOOKAHEAD,
            };
            let (part, rest) = bytes.split_at(wanted.min(bytes.len()));
            self.carry.extend_from_slice(part);
            let mut carry = std::mem::take(&mut self.carry);
            let used = self.consume(&carry, false, found);
            if used >= before {
                // The rest lies in `bytes` as well.
                bytes = &bytes[used - before..];
                carry.clear();
            } else {
                bytes = rest;
                carry.drain(..used);
            }
            self.carry = carry;
        }
        if self.carry.is_empty() {
            let used = self.consume(bytes, false, found);
            self.carry.extend_from_slice(&bytes[used..]);
        }
    }

    /// Ends the input: decides the undecided PES packets without more of them.
    pub fn finish(&mut self, found: Sink<'_>) {
        let carry = std::mem::take(&mut self.carry);
        let used = self.consume(&carry, true, found);
        let rest = (carry.len() - used) as u64;
        self.demux.counters.truncated_bytes += rest;
        self.at += rest;
        self.demux.finish(found);
    }

    /// Returns the number of bytes pushed so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at + self.carry.len() as u64
    }

    /// Returns the offset of the first byte that is not consumed, at most 1 KiB before `position`.
    /// In sync a packet begins there; otherwise no packet begins before it.
    #[must_use]
    pub fn boundary(&self) -> u64 {
        self.at
    }

    /// Returns the smallest offset that a later finding may name: bytes before it are decided. It
    /// never decreases, and stays at most a little more than 1 MiB before `position`.
    #[must_use]
    pub fn holdback(&self) -> u64 {
        self.demux.holdback(self.at)
    }

    /// Returns the programs of the PAT in its order, with their streams as far as they are known.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        self.demux.psi.programs()
    }

    /// Returns the totals since the beginning.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.demux.counters
    }

    /// Returns the totals of each PID that was seen, in ascending order. Null packets and those
    /// with `transport_error_indicator` count for no PID.
    pub fn pids(&self) -> impl Iterator<Item = (u16, PidCounters)> {
        self.demux.pids()
    }

    /// Returns the distance of packets in bytes: 188, 192 or 204; `None` before the first one.
    #[must_use]
    pub fn packet_size(&self) -> Option<usize> {
        self.framing.map(|framing| framing.len)
    }

    /// Returns the last complete PAT and all known PMTs, as transport packets of 188 bytes,
    /// verbatim. A demuxer that reads them first can play a segment that begins without PSI.
    #[must_use]
    pub fn psi(&self) -> Option<Vec<u8>> {
        self.demux.psi.packets()
    }

    /// Returns the codec of a PID, by the PMT; by start codes for video that no PMT lists.
    #[must_use]
    pub fn codec_of(&self, pid: u16) -> Option<Codec> {
        self.demux.es_of(pid)?.codec()
    }

    /// Tells whether a keyframe of a PID came without the parameter sets that decoding needs: its
    /// encoder sends them once, before.
    #[must_use]
    pub fn lacks_parameters(&self, pid: u16) -> bool {
        self.demux.es_of(pid).is_some_and(Es::lacks_parameters)
    }

    /// Returns the parameter sets of a PID seen so far, of HEVC, H.264, MPEG-1 and MPEG-2.
    #[must_use]
    pub fn parameter_sets(&self, pid: u16) -> Option<&ParameterSets> {
        self.demux.es_of(pid).map(Es::sets).filter(|sets| !sets.is_empty())
    }

    /// Returns the PID to decode pictures from: of the video streams in the PMTs the one with the
    /// most PES packets with a PTS; if none has any PES packet, the unlisted PID with the most of
    /// those that have a `stream_id` of video; before any came, the first one listed.
    #[must_use]
    pub fn video_pid(&self) -> Option<u16> {
        self.demux.video_pid()
    }

    /// Consumes as much of `window`, which begins at `self.at`, as can be judged.
    fn consume(&mut self, window: &[u8], end: bool, found: Sink<'_>) -> usize {
        let mut used = 0;
        loop {
            let rest = &window[used..];
            if self.in_sync {
                used += self.packets(rest, end, found);
                if self.in_sync {
                    return used;
                }
            } else {
                let (skipped, framing) = sync::search(rest, self.framing, end);
                used += skipped;
                self.at += skipped as u64;
                self.skipped += skipped as u64;
                self.demux.counters.lost_bytes += skipped as u64;
                self.demux.expire(self.at, found);
                let Some(framing) = framing else { return used };
                self.framing = Some(framing);
                self.in_sync = true;
                self.demux.counters.first_sync.get_or_insert(self.at);
                let skipped = std::mem::take(&mut self.skipped);
                found(Found::SyncFound { offset: self.at, skipped });
            }
        }
    }

    /// Takes packets as long as they are complete and in sync; returns the bytes they took.
    fn packets(&mut self, window: &[u8], end: bool, found: Sink<'_>) -> usize {
        let Some(Framing { len, lead }) = self.framing else { return 0 };
        // The parity of the last packet may be missing.
        let need = if end { lead + PACKET_LEN } else { len };
        let mut rest = window;
        while rest.len() >= need {
            let Some(packet) = rest.get(lead..).and_then(<[u8]>::first_chunk::<PACKET_LEN>) else {
                break;
            };
            let header = Header::of(packet);
            if self.demux.is_plain(self.at, header) {
                // Counted, and left alone.
            } else if header.in_sync() {
                self.demux.packet(self.at, header, packet, found);
            } else {
                self.in_sync = false;
                self.demux.end_run();
                self.demux.counters.sync_losses += 1;
                found(Found::SyncLost { offset: self.at });
                break;
            }
            self.demux.counters.packets += 1;
            let step = len.min(rest.len());
            self.at += step as u64;
            rest = &rest[step..];
        }
        window.len() - rest.len()
    }
}
