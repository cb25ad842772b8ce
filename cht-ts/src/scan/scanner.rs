//! The scanner: bytes in, findings out. It finds where packets begin, and gives each to the [`Demux`].
use super::demux::{Demux, Sink};
use super::es::Es;
use super::found::{Counters, Found, PidCounters};
use crate::codec::Codec;
use crate::packet::{Header, PACKET_LEN};
use crate::program::Program;
use crate::sync::{self, Framing, LOOKAHEAD};
use crate::video::parameter_sets::ParameterSets;

/// Reads one stream, pushed in pieces of any size. See the [module](super).
#[derive(Debug)]
pub struct Scanner {
    framing: Option<Framing>,
    in_sync: bool,
    /// Bytes of the input that are not consumed yet: an incomplete packet, or less than `LOOKAHEAD`
    /// bytes of a search.
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
    /// A scanner at the beginning of a connection or file.
    #[must_use]
    pub fn new() -> Self {
        let demux = Demux::new();
        Self { framing: None, in_sync: false, carry: Vec::new(), at: 0, skipped: 0, demux }
    }

    /// A scanner that knows the programs beforehand, from packets such as [`psi`](Self::psi) returns: for
    /// a segment whose PSI lies in a file of its own. They count nowhere, and offsets begin after them.
    #[must_use]
    pub fn with_psi(packets: &[u8]) -> Self {
        let mut before = Self::new();
        before.push(packets, &mut |_| {});
        before.finish(&mut |_| {});
        let mut scanner = Self::new();
        scanner.demux.take_psi(before.demux);
        scanner
    }

    /// Takes the next bytes and hands to `found` what is decided by them, in that order.
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
                // What is left lies in `bytes` as well.
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

    /// Ends the input: what is undecided is decided with what is known.
    pub fn finish(&mut self, found: Sink<'_>) {
        let carry = std::mem::take(&mut self.carry);
        let used = self.consume(&carry, true, found);
        let rest = (carry.len() - used) as u64;
        self.demux.counters.truncated_bytes += rest;
        self.at += rest;
        self.demux.finish(found);
    }

    /// Bytes pushed so far.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at + self.carry.len() as u64
    }

    /// Offset of the first byte that is not consumed yet. In sync a packet begins there; else no packet begins
    /// before it. At most 1 KiB behind `position`.
    #[must_use]
    pub fn boundary(&self) -> u64 {
        self.at
    }

    /// The smallest offset that a later finding may still name. Bytes before it belong to what is already
    /// decided. It never goes back, and stays at most a little more than 1 MiB behind `position`.
    #[must_use]
    pub fn holdback(&self) -> u64 {
        self.demux.holdback(self.at)
    }

    /// The programs of the PAT in its order, with what is known of their streams by now.
    #[must_use]
    pub fn programs(&self) -> &[Program] {
        self.demux.programs()
    }

    /// Totals since the beginning.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.demux.counters
    }

    /// Totals of each PID that was seen, by rising PID. Null packets and those with
    /// `transport_error_indicator` count for no PID.
    pub fn pids(&self) -> impl Iterator<Item = (u16, PidCounters)> {
        self.demux.pids()
    }

    /// Distance of packets in bytes: 188, 192 or 204; `None` before the first one.
    #[must_use]
    pub fn packet_size(&self) -> Option<usize> {
        self.framing.map(|framing| framing.len)
    }

    /// The last complete PAT and all PMTs known, as transport packets of 188 bytes, verbatim. A demuxer
    /// that reads them first can play a segment that begins without PSI.
    #[must_use]
    pub fn psi(&self) -> Option<Vec<u8>> {
        self.demux.psi()
    }

    /// What a PID carries, by the PMT; for video that no PMT lists, by its start codes.
    #[must_use]
    pub fn codec_of(&self, pid: u16) -> Option<Codec> {
        self.demux.es_of(pid)?.codec()
    }

    /// Whether a keyframe of a PID came without the parameter sets that decoding needs: its encoder sends them
    /// once, before.
    #[must_use]
    pub fn lacks_parameters(&self, pid: u16) -> bool {
        self.demux.es_of(pid).is_some_and(Es::lacks_parameters)
    }

    /// The parameter sets of a PID that were seen so far, those of HEVC, H.264, MPEG-1 and MPEG-2.
    #[must_use]
    pub fn parameter_sets(&self, pid: u16) -> Option<&ParameterSets> {
        self.demux.es_of(pid).map(Es::sets).filter(|sets| !sets.is_empty())
    }

    /// The PID to decode pictures from: of the video streams in the PMTs the one with the most PES packets
    /// that carry a PTS; if none of them has any PES packet, the unlisted PID with a `stream_id` of video
    /// that has the most; before any came, the first one listed.
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
