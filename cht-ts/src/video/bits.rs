//! Bits of an RBSP, read and written (ISO/IEC 14496-10 §7.2, §9.1).
use std::ops::Range;

/// Reads bits of an RBSP, emulation prevention already removed.
pub(crate) struct BitReader<'a> {
    pub(crate) bytes: &'a [u8],
    /// The next bit.
    pub(crate) at: usize,
}

impl BitReader<'_> {
    pub(crate) fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(u32::from(bit))
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        Some(self.bit()? == 1)
    }

    /// Reads at most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    pub(crate) fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// Reads a ue(v) of less than 32 bits (ISO/IEC 14496-10 §9.1).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// Reads a se(v) (§9.1.1).
    pub(crate) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -(code / 2) })
    }
}

/// Writes bits; the last byte is filled with zeros.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    pub(crate) bytes: Vec<u8>,
    at: usize,
}

impl BitWriter {
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

    /// Writes a ue(v) (§9.1).
    pub(crate) fn ue(&mut self, value: u32) {
        let length = (value + 1).ilog2();
        self.bits(0, length);
        self.bits(value + 1, length + 1);
    }

    /// Copies a range of the bits of `bytes`; `None` if that reaches beyond their end.
    pub(crate) fn copy(&mut self, bytes: &[u8], range: Range<usize>) -> Option<()> {
        let mut bits = BitReader { bytes, at: range.start };
        while bits.at < range.end {
            let count = (range.end - bits.at).min(32) as u32;
            self.bits(bits.bits(count)?, count);
        }
        Some(())
    }

    /// Fills the last byte up with ones.
    pub(crate) fn align(&mut self) {
        while !self.at.is_multiple_of(8) {
            self.bits(1, 1);
        }
    }

    /// Appends whole bytes, after [`align`](Self::align).
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.at += bytes.len() * 8;
    }
}
