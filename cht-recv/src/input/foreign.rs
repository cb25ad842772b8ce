//! Protocols other than a transport stream, told by the first bytes of a connection or by a
//! datagram. Pure.
//!
//! A browser connects to any port that a web page names, the loopback address included. All that a
//! page can send is refused here; other data is recorded, transport stream or not.

/// Verdict on first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More bytes are needed.
    Undecided,
    /// None of the known protocols.
    Stream,
    /// A refused protocol, by name.
    Foreign(&'static str),
}

/// Any byte, in a pattern.
const ANY: u16 = 0x100;

/// Methods of HTTP (RFC 9110 §9, RFC 5789) and the preface of HTTP/2 (RFC 9113 §3.4).
const METHODS: [&str; 10] = [
    "GET ",
    "POST ",
    "PUT ",
    "HEAD ",
    "OPTIONS ",
    "DELETE ",
    "PATCH ",
    "CONNECT ",
    "TRACE ",
    "PRI * HTTP/2",
];

/// A handshake record that holds a `ClientHello` (RFC 8446 §5.1, §4).
const TLS: [u16; 6] = [0x16, 0x03, ANY, ANY, ANY, 0x01];

/// STUN and TURN requests (RFC 8489 §5): a page names their server for WebRTC, by TCP or UDP.
const STUN: [[u16; 8]; 2] = [
    [0x00, 0x01, ANY, ANY, 0x21, 0x12, 0xA4, 0x42],
    [0x00, 0x03, ANY, ANY, 0x21, 0x12, 0xA4, 0x42],
];

/// Initial packets of QUIC (RFC 9000 §17.2.2): HTTP/3, WebTransport. The first byte's other bits
/// vary.
const QUIC: [u16; 5] = [0xC0, 0x00, 0x00, 0x00, 0x01];

/// A handshake record of DTLS (RFC 9147 §4): WebRTC.
const DTLS: [u16; 2] = [0x16, 0xFE];

/// Judges the first bytes of a connection.
pub(crate) fn judge(first: &[u8]) -> Verdict {
    let methods =
        METHODS.iter().map(|method| (compare(method.bytes().map(u16::from), first), "HTTP"));
    let tls = (compare(TLS.into_iter(), first), "TLS");
    let stun = STUN.into_iter().map(|pattern| (compare(pattern.into_iter(), first), "STUN"));
    let mut verdict = Verdict::Stream;
    for (found, name) in methods.chain([tls]).chain(stun) {
        match found {
            Found::Whole => return Verdict::Foreign(name),
            Found::Begun => verdict = Verdict::Undecided,
            Found::Not => {}
        }
    }
    verdict
}

/// Returns the protocol of a datagram, if it is refused.
pub(crate) fn of_datagram(datagram: &[u8]) -> Option<&'static str> {
    if let Verdict::Foreign(name) = judge(datagram) {
        return Some(name);
    }
    let is_whole =
        |pattern: &[u16], bytes: &[u8]| compare(pattern.iter().copied(), bytes) == Found::Whole;
    if is_whole(&DTLS, datagram) {
        return Some("DTLS");
    }
    let (first, rest) = datagram.split_first()?;
    let is_quic = first & 0xC0 == 0xC0 && is_whole(&QUIC[1..], rest);
    is_quic.then_some("QUIC")
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Not,
    Begun,
    Whole,
}

/// Compares bytes with a pattern.
fn compare(pattern: impl ExactSizeIterator<Item = u16>, bytes: &[u8]) -> Found {
    let is_whole = bytes.len() >= pattern.len();
    let differs = |(wanted, byte): (u16, &u8)| wanted != ANY && wanted != u16::from(*byte);
    match pattern.zip(bytes).any(differs) {
        true => Found::Not,
        false if is_whole => Found::Whole,
        false => Found::Begun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browser_request_is_foreign() {
        for (first, name) in [
            (&b"GET / HTTP/1.1\r\n"[..], "HTTP"),
            (b"POST /upload HTTP/1.1\r\nOrigin: https://evil.example\r\n", "HTTP"),
            (b"OPTIONS * HTTP/1.1\r\n", "HTTP"),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC", "TLS"),
            (b"\x00\x03\x00\x08\x21\x12\xA4\x42abcdefghijkl", "STUN"),
        ] {
            assert_eq!(judge(first), Verdict::Foreign(name));
            assert_eq!(of_datagram(first), Some(name));
            // Each prefix is undecided, down to the empty one.
            let decided = (0..first.len()).find(|end| judge(&first[..*end]) != Verdict::Undecided);
            assert_eq!(judge(&first[..decided.unwrap()]), Verdict::Foreign(name));
        }
    }

    #[test]
    fn other_data_is_stream() {
        // The sync byte is the letter G.
        assert_eq!(judge(b"\x47"), Verdict::Undecided);
        let packet = [0x47; 188];
        for first in [
            &packet[..],
            b"\x47\x40",
            b"hello",
            b"GETTER",
            b"GET\n",
            b"first ",
            b"\0\0\0\0",
            &[0x80; 12],
        ] {
            assert_eq!(judge(first), Verdict::Stream, "{first:?}");
            assert_eq!(of_datagram(first), None, "{first:?}");
        }
    }

    #[test]
    fn browser_datagram_is_foreign_and_rtp_is_not() {
        assert_eq!(of_datagram(b"\xC3\0\0\0\x01\x08abcdefgh"), Some("QUIC"));
        assert_eq!(of_datagram(b"\x16\xFE\xFF\0\0"), Some("DTLS"));
        assert_eq!(of_datagram(b"\x80\x21\0\x01\0\0\0\0\0\0\0\x01\x47"), None);
        assert_eq!(of_datagram(b""), None);
    }
}
