//! NAL units as bits: emulation prevention off and on again, and a writer.
use super::sps::BitReader;

/// Without emulation prevention (§7.4.1).
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

/// Writes bits; the last byte is filled with zeros.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
    at: usize,
}

impl Writer {
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        for n in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (value >> n & 1) as u8;
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.at % 8);
            }
            self.at += 1;
        }
    }

    /// ue(v) (§9.1).
    pub(crate) fn ue(&mut self, value: u32) {
        let length = (value + 1).ilog2();
        self.bits(0, length);
        self.bits(value + 1, length + 1);
    }

    /// The bits of `bytes` from one place to another; `None` if there are not so many.
    pub(crate) fn copy(&mut self, bytes: &[u8], range: std::ops::Range<usize>) -> Option<()> {
        let mut bits = BitReader { bytes, at: range.start };
        while bits.at < range.end {
            let count = (range.end - bits.at).min(32) as u32;
            self.bits(bits.bits(count)?, count);
        }
        Some(())
    }

    /// Ones up to the next byte.
    pub(crate) fn align(&mut self) {
        while !self.at.is_multiple_of(8) {
            self.bits(1, 1);
        }
    }

    /// Whole bytes, behind [`align`](Self::align).
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.at += bytes.len() * 8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulation_prevention_there_and_back() {
        for bytes in [&b"\0\0\0\0\0\0\x01"[..], b"\x01\0\0\x03\x04", b"\0\0\x02\0"] {
            assert_eq!(unescape(&escape(bytes)), bytes);
        }
    }
}
