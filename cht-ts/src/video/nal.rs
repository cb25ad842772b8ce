//! Emulation prevention of NAL units (ISO/IEC 14496-10 §7.4.1), removed and inserted.

/// Returns the RBSP of a NAL unit.
pub(crate) fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// Returns the NAL unit of an RBSP.
pub(crate) fn escape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 4);
    let mut zeros = 0;
    for &byte in bytes {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention_round_trips() {
        for bytes in [&b"\0\0\0\0\0\0\x01"[..], b"\x01\0\0\x03\x04", b"\0\0\x02\0"] {
            assert_eq!(unescape(&escape(bytes)), bytes);
        }
    }
}
