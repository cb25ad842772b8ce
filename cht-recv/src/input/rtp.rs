//! MPEG-TS in RTP (RFC 3550, RFC 2250): puts packets in order and removes their headers. Pure.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Payload type of MPEG-TS (RFC 3551 §6).
const MP2T: u8 = 33;

/// Packets held at most, until a missing one comes.
const WINDOW: usize = 64;

/// Longest time that packets are held.
const PATIENCE: Duration = Duration::from_millis(200);

/// Distances ahead and back from which on a packet belongs to a sender that has restarted (RFC 3550
/// appendix A.1).
const MAX_DROPOUT: i64 = 3000;
const MAX_MISORDER: i64 = 100;

/// Puts packets in order.
#[derive(Debug, Default)]
pub(crate) struct Reorder {
    /// The sender, by its SSRC.
    source: u32,
    /// Sequence number of the next packet, unwrapped; `None` before the first.
    next: Option<i64>,
    /// Packets that came ahead of their turn.
    held: BTreeMap<i64, Vec<u8>>,
    /// Since when a packet is missing.
    missing_since: Option<Instant>,
    /// Packets that never came, or came too late.
    pub lost: u64,
    /// Datagrams that are not RTP, or have another payload than MPEG-TS.
    pub foreign: u64,
}

impl Reorder {
    /// Takes a datagram that arrived at `now`, and appends the bytes that are now in order to
    /// `out`.
    pub(crate) fn push(&mut self, datagram: &[u8], now: Instant, out: &mut Vec<u8>) {
        let Some(packet) = Packet::parse(datagram) else {
            self.foreign += 1;
            return;
        };
        let mut next = match self.next {
            Some(next) if packet.source == self.source => next,
            _ => self.begin(&packet, out),
        };
        let mut ahead = i64::from((packet.sequence.wrapping_sub(next as u16)) as i16);
        if !(-MAX_MISORDER..=MAX_DROPOUT).contains(&ahead) {
            next = self.begin(&packet, out);
            ahead = 0;
        }
        if ahead < 0 {
            // It came twice, or after it was given up and counted as lost.
            return;
        }
        self.held.entry(next + ahead).or_insert_with(|| packet.payload.to_vec());
        self.release(out);
        self.missing_since = match (self.held.is_empty(), self.missing_since) {
            (true, _) => None,
            (false, since) => since.or(Some(now)),
        };
        let is_late = self.missing_since.is_some_and(|since| now >= since + PATIENCE);
        if is_late || self.held.len() >= WINDOW {
            self.give_up(out);
            self.missing_since = (!self.held.is_empty()).then_some(now);
        }
    }

    /// Appends all held packets, whatever is missing.
    pub(crate) fn flush(&mut self, out: &mut Vec<u8>) {
        while !self.held.is_empty() {
            self.give_up(out);
        }
        self.missing_since = None;
    }

    /// Starts over with a packet. Returns its unwrapped sequence number.
    fn begin(&mut self, packet: &Packet<'_>, out: &mut Vec<u8>) -> i64 {
        self.flush(out);
        let next = i64::from(packet.sequence);
        (self.source, self.next) = (packet.source, Some(next));
        next
    }

    /// Appends the packets whose turn it is.
    fn release(&mut self, out: &mut Vec<u8>) {
        let Some(next) = &mut self.next else { return };
        while let Some(payload) = self.held.remove(next) {
            out.extend(payload);
            *next += 1;
        }
    }

    /// Skips the missing packets.
    fn give_up(&mut self, out: &mut Vec<u8>) {
        if let (Some(&first), Some(next)) = (self.held.keys().next(), self.next) {
            self.lost += (first - next) as u64;
            self.next = Some(first);
            self.release(out);
        }
    }
}

/// Returns whether a datagram is RTP with MPEG-TS in it.
pub(crate) fn is_rtp(datagram: &[u8]) -> bool {
    Packet::parse(datagram).is_some()
}

/// An RTP packet (RFC 3550 §5.1).
struct Packet<'a> {
    sequence: u16,
    source: u32,
    payload: &'a [u8],
}

impl<'a> Packet<'a> {
    fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (header, rest) = datagram.split_first_chunk::<12>()?;
        let [flags, kind, s0, s1, .., c0, c1, c2, c3] = *header;
        if flags >> 6 != 2 || kind & 0x7F != MP2T {
            return None;
        }
        let contributors = usize::from(flags & 0x0F) * 4;
        let mut payload = rest.get(contributors..)?;
        if flags & 0x10 != 0 {
            let (extension, behind) = payload.split_first_chunk::<4>()?;
            let words = u16::from_be_bytes([extension[2], extension[3]]);
            payload = behind.get(usize::from(words) * 4..)?;
        }
        if flags & 0x20 != 0 {
            let padding = usize::from(*payload.last()?);
            payload = payload.get(..payload.len().checked_sub(padding)?)?;
        }
        let sequence = u16::from_be_bytes([s0, s1]);
        Some(Self { sequence, source: u32::from_be_bytes([c0, c1, c2, c3]), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(source: u8, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let [high, low] = sequence.to_be_bytes();
        let header = [0x80, MP2T, high, low, 0, 0, 0, 0, 0, 0, 0, source];
        [&header[..], payload].concat()
    }

    fn order(sequences: &[u16]) -> (Vec<u8>, u64) {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        let now = Instant::now();
        for sequence in sequences {
            reorder.push(&packet(1, *sequence, &[*sequence as u8]), now, &mut out);
        }
        reorder.flush(&mut out);
        (out, reorder.lost)
    }

    #[test]
    fn packets_come_out_in_order() {
        assert_eq!(order(&[7, 8, 9]), (vec![7, 8, 9], 0));
        assert_eq!(order(&[7, 9, 8, 10]), (vec![7, 8, 9, 10], 0));
        assert_eq!(order(&[7, 10, 9, 8]), (vec![7, 8, 9, 10], 0));
        assert_eq!(order(&[65534, 0, 65535, 1]), (vec![254, 255, 0, 1], 0));
    }

    #[test]
    fn duplicate_packets_are_dropped_and_missing_ones_counted() {
        assert_eq!(order(&[7, 7, 8, 10, 10, 9, 8]), (vec![7, 8, 9, 10], 0));
        assert_eq!(order(&[7, 9, 12]), (vec![7, 9, 12], 3));
    }

    #[test]
    fn missing_packet_is_given_up_after_time_or_window() {
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        let start = Instant::now();
        reorder.push(&packet(1, 1, b"a"), start, &mut out);
        reorder.push(&packet(1, 3, b"c"), start, &mut out);
        assert_eq!(out, b"a");
        reorder.push(&packet(1, 4, b"d"), start + PATIENCE, &mut out);
        assert_eq!((&out[..], reorder.lost), (&b"acd"[..], 1));
        // A packet that comes after it was given up is dropped.
        reorder.push(&packet(1, 2, b"b"), start + PATIENCE, &mut out);
        assert_eq!(out, b"acd");
        for sequence in 6..6 + WINDOW as u16 {
            reorder.push(&packet(1, sequence, b"."), start + PATIENCE, &mut out);
        }
        assert_eq!((out.len(), reorder.lost), (3 + WINDOW, 2));
    }

    #[test]
    fn restarted_sender_starts_new_order() {
        // By its sequence number, and by its SSRC.
        assert_eq!(order(&[40_000, 40_001, 5, 6]).1, 0);
        assert_eq!(order(&[40_000, 40_001, 5, 6]).0.len(), 4);
        let (mut reorder, mut out) = (Reorder::default(), Vec::new());
        reorder.push(&packet(1, 50, b"a"), Instant::now(), &mut out);
        reorder.push(&packet(2, 40, b"b"), Instant::now(), &mut out);
        assert_eq!((&out[..], reorder.lost), (&b"ab"[..], 0));
    }

    #[test]
    fn headers_of_any_form_are_removed() {
        let payload = |datagram: &[u8]| Packet::parse(datagram).map(|p| p.payload.to_vec());
        // Two contributors, an extension of one word, three bytes of padding.
        let mut full = vec![0xB2, 0xA1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
        full.extend([0; 8]);
        full.extend([0xBE, 0xDE, 0, 1, 9, 9, 9, 9]);
        full.extend(b"payload\0\0\x03");
        assert_eq!(payload(&full).unwrap(), b"payload");
        // Cut anywhere, it is refused or shorter, and never read past its end.
        for end in 0..full.len() {
            assert!(payload(&full[..end]).is_none_or(|payload| payload.len() < 10));
        }
        assert!(payload(&[0x47; 188]).is_none(), "a bare TS packet");
        assert!(payload(&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).is_none(), "another payload");
    }
}
