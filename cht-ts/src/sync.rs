//! Finding where packets begin.
//!
//! A position is a boundary if sync bytes stand there and at the following multiples of the packet
//! length: five at first, when 188, 192 and 204 bytes are all possible; three after a loss, for the
//! length that is already known. A position is judged only when all bytes it takes are there, so
//! the answer does not depend on how the input was divided; at the end of input, those that exist
//! must do.
use crate::packet::{PACKET_LEN, SYNC_BYTE};

/// How packets lie in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing {
    /// Distance of packets in bytes.
    pub(crate) len: usize,
    /// Bytes before the sync byte that belong to the packet.
    pub(crate) lead: usize,
}

/// Layouts of packets: plain, with the four-byte time code of M2TS before them, with sixteen bytes
/// of Reed-Solomon parity after them.
const FRAMINGS: [Framing; 3] =
    [Framing { len: 188, lead: 0 }, Framing { len: 192, lead: 4 }, Framing { len: 204, lead: 0 }];
const FIRST_RUN: usize = 5;
const REGAIN_RUN: usize = 3;

/// Upper bound of the bytes that any decision takes: a search leaves fewer undecided.
pub(crate) const LOOKAHEAD: usize = 1024;
const _: () = assert!(LOOKAHEAD > FIRST_RUN * 204);

#[derive(PartialEq, Eq)]
enum Fit {
    Yes,
    No,
    Undecided,
}

/// Searches `window` for the first boundary. Returns the number of bytes before it and the layout;
/// without a layout, that number of bytes is skipped for certain, and more are needed. At the `end`
/// of input nothing stays undecided: without a layout, all bytes are skipped.
pub(crate) fn search(window: &[u8], known: Option<Framing>, end: bool) -> (usize, Option<Framing>) {
    let others = FRAMINGS.into_iter().filter(|framing| Some(*framing) != known);
    let candidates = known.map(|framing| (framing, REGAIN_RUN)).into_iter();
    let candidates = candidates.chain(others.map(|framing| (framing, FIRST_RUN)));
    for start in 0..window.len() {
        // Most positions are ruled out by the two places where any framing has its sync byte.
        if let Some(&[first, _, _, _, fifth]) = window[start..].first_chunk()
            && first != SYNC_BYTE
            && fifth != SYNC_BYTE
        {
            continue;
        }
        for (framing, run) in candidates.clone() {
            match fit(&window[start..], framing, run, end) {
                Fit::Yes => return (start, Some(framing)),
                Fit::Undecided => return (start, None),
                Fit::No => {}
            }
        }
    }
    (window.len(), None)
}

fn fit(window: &[u8], framing: Framing, run: usize, end: bool) -> Fit {
    for packet in 0..run {
        match window.get(framing.lead + packet * framing.len) {
            Some(&SYNC_BYTE) => {}
            None if !end => return Fit::Undecided,
            None if window.len() >= framing.lead + PACKET_LEN => return Fit::Yes,
            _ => return Fit::No,
        }
    }
    Fit::Yes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(count: usize, framing: Framing) -> Vec<u8> {
        let mut bytes = vec![0; count * framing.len];
        for packet in bytes.chunks_mut(framing.len) {
            packet[framing.lead] = SYNC_BYTE;
        }
        bytes
    }

    #[test]
    fn framing_after_garbage_is_found() {
        for framing in FRAMINGS {
            for garbage in [0, 1, 3, 187, 1000] {
                let mut bytes = vec![0xAA; garbage];
                bytes.extend(packets(6, framing));
                assert_eq!(search(&bytes, None, false), (garbage, Some(framing)));
            }
        }
    }

    #[test]
    fn single_packet_counts_at_the_end_only() {
        for framing in FRAMINGS {
            let bytes = packets(1, framing);
            assert_eq!(search(&bytes, None, false).1, None);
            assert_eq!(search(&bytes, None, true), (0, Some(framing)));
        }
    }

    #[test]
    fn lone_sync_bytes_are_no_boundary() {
        let mut bytes = vec![0; 2000];
        bytes[100] = SYNC_BYTE;
        bytes[288] = SYNC_BYTE;
        assert_eq!(search(&bytes, Some(FRAMINGS[0]), true), (2000, None));
        let (skipped, framing) = search(&bytes, None, false);
        assert_eq!(framing, None);
        assert!(bytes.len() - skipped < LOOKAHEAD);
    }

    #[test]
    fn incomplete_packet_at_the_end_is_no_packet() {
        let bytes = &packets(1, FRAMINGS[0])[..187];
        assert_eq!(search(bytes, None, true), (187, None));
    }
}
