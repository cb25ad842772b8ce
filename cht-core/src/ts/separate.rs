//! Keyframes that stand for themselves: what an access unit has to say once the units between are gone.
//!
//! - H.264: a decoder holds back pictures for others that are to be shown before them, and leaves out one that
//!   seems to come too late. The order of a picture that is no IDR is counted from those before it, so that
//!   it is nonsense once they are gone. So the parameter set is made to say that nothing is reordered.
//! - HEVC: the same holds for a CRA picture. Called a BLA picture, it begins a new sequence.
use super::codec::Codec;
use super::sps::{self, Bits};
use std::borrow::Cow;
use std::ops::Range;

/// NAL unit types of H.264 (ISO/IEC 14496-10 table 7-1).
const SLICES: std::ops::RangeInclusive<u8> = 1..=5;
const SPS: u8 = 7;
/// NAL unit types of HEVC (ISO/IEC 23008-2 table 7-1).
const BLA_W_LP: u8 = 16;
const CRA: u8 = 21;

/// An access unit, given to decode as if it were alone.
pub(super) fn separate(codec: Codec, payload: &[u8]) -> Cow<'_, [u8]> {
    match codec {
        Codec::H264 => without_reordering(payload),
        Codec::Hevc => with_broken_links(payload),
        _ => payload.into(),
    }
}

/// Where NAL units lie, start codes apart.
fn units(payload: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let next = |from: usize| {
        let found = payload.get(from..)?.windows(3).position(|window| window == [0, 0, 1])?;
        Some(from + found + 3)
    };
    let mut start = next(0);
    std::iter::from_fn(move || {
        let from = start?;
        start = next(from);
        let end = start.map_or(payload.len(), |behind| behind - 3);
        (from < end).then_some(from..end)
    })
}

fn with_broken_links(payload: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Cow::Borrowed(payload);
    for unit in units(payload) {
        let first = payload[unit.start];
        if first >> 1 & 0x3F == CRA {
            out.to_mut()[unit.start] = first & 0x81 | BLA_W_LP << 1;
        }
    }
    out
}

fn without_reordering(payload: &[u8]) -> Cow<'_, [u8]> {
    let is_slice = |unit: &Range<usize>| SLICES.contains(&(payload[unit.start] & 0x1F));
    let sets = units(payload).take_while(|unit| !is_slice(unit));
    let (mut out, mut copied) = (Vec::new(), 0);
    for unit in sets.filter(|unit| payload[unit.start] & 0x1F == SPS) {
        let Some(sps) = sps_without_reordering(&payload[unit.clone()]) else { continue };
        out.extend_from_slice(&payload[copied..unit.start]);
        out.extend(sps);
        copied = unit.end;
    }
    if copied == 0 {
        return payload.into();
    }
    out.extend_from_slice(&payload[copied..]);
    out.into()
}

/// An SPS of H.264 whose `max_num_reorder_frames` is 0.
fn sps_without_reordering(unit: &[u8]) -> Option<Vec<u8>> {
    let (&header, escaped) = unit.split_first()?;
    let rbsp = unescape(escaped);
    let mut bits = Bits { bytes: &rbsp, at: 0 };
    sps::h264_up_to_vui(&mut bits)?;
    let mut out = Writer::default();
    if bits.flag()? {
        skip_vui(&mut bits)?;
        out.copy(&rbsp, bits.at)?;
    } else {
        out.copy(&rbsp, bits.at - 1)?;
        // vui_parameters_present_flag, and nothing in it.
        out.bits(0b1_0000_0000, 9);
    }
    // bitstream_restriction_flag, motion_vectors_over_pic_boundaries_flag, no limit of bytes and bits
    // (§E.2.1), vectors as long as can be, max_num_reorder_frames, max_dec_frame_buffering.
    out.bits(0b11, 2);
    for value in [0, 0, 15, 15, 0, 16] {
        out.ue(value);
    }
    out.bits(1, 1);
    Some([&[header], escape(&out.bytes).as_slice()].concat())
}

/// Goes to `bitstream_restriction_flag` (ISO/IEC 14496-10 §E.1.1).
fn skip_vui(bits: &mut Bits<'_>) -> Option<()> {
    const EXTENDED_SAR: u32 = 255;
    if bits.flag()? && bits.bits(8)? == EXTENDED_SAR {
        bits.skip(32);
    }
    if bits.flag()? {
        bits.skip(1); // overscan
    }
    if bits.flag()? {
        bits.skip(4);
        if bits.flag()? {
            bits.skip(24); // colour
        }
    }
    if bits.flag()? {
        bits.ue()?; // chroma location
        bits.ue()?;
    }
    if bits.flag()? {
        bits.skip(65); // timing
    }
    let (nal, vcl) = (skip_hrd(bits)?, skip_hrd(bits)?);
    if nal || vcl {
        bits.skip(1);
    }
    bits.flag().map(|_| ())
}

/// A flag, and the parameters of a hypothetical reference decoder if it is set (§E.1.2).
fn skip_hrd(bits: &mut Bits<'_>) -> Option<bool> {
    if !bits.flag()? {
        return Some(false);
    }
    let count = bits.ue()?.min(31) + 1;
    bits.skip(8);
    for _ in 0..count {
        bits.ue()?;
        bits.ue()?;
        bits.skip(1);
    }
    bits.skip(20);
    Some(true)
}

/// Without emulation prevention (§7.4.1).
fn unescape(bytes: &[u8]) -> Vec<u8> {
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

fn escape(bytes: &[u8]) -> Vec<u8> {
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
struct Writer {
    bytes: Vec<u8>,
    at: usize,
}

impl Writer {
    fn bits(&mut self, value: u32, count: u32) {
        for n in (0..count).rev() {
            if self.at % 8 == 0 {
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
    fn ue(&mut self, value: u32) {
        let length = (value + 1).ilog2();
        self.bits(0, length);
        self.bits(value + 1, length + 1);
    }

    /// The first bits of `bytes`; `None` if there are not so many.
    fn copy(&mut self, bytes: &[u8], count: usize) -> Option<()> {
        let mut bits = Bits { bytes, at: 0 };
        for _ in 0..count {
            self.bits(bits.bit()?, 1);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x264, 320×240, with VUI.
    const X264: [u8; 25] = [
        0x67, 0x64, 0x00, 0x0D, 0xAC, 0xD9, 0x41, 0x41, 0xFB, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
        0x00, 0x00, 0x03, 0x03, 0x20, 0xF1, 0x42, 0x99, 0x60,
    ];

    #[test]
    fn an_sps_that_reorders_no_longer_does() {
        let sps = sps_without_reordering(&X264).unwrap();
        let rbsp = unescape(&sps[1..]);
        let mut bits = Bits { bytes: &rbsp, at: 0 };
        let format = sps::h264_up_to_vui(&mut bits).unwrap();
        assert_eq!((format.width, format.height), (320, 240));
        assert!(bits.flag().unwrap());
        skip_vui(&mut bits).unwrap();
        assert_eq!(bits.bits(2), Some(3));
        let values: Vec<_> = (0..6).map(|_| bits.ue().unwrap()).collect();
        assert_eq!(values, [0, 0, 15, 15, 0, 16]);
        // Doing it again changes nothing.
        assert_eq!(sps_without_reordering(&sps).unwrap(), sps);
        for cut in 1..12 {
            assert!(sps_without_reordering(&X264[..cut]).is_none());
        }
    }

    #[test]
    fn only_the_parameter_set_of_an_access_unit_changes() {
        let unit = [b"\0\0\0\x01\x09\xF0\0\0\0\x01", &X264[..], b"\0\0\x01\x68\xEB\0\0\x01\x65\x88\0\0\x01\x65\x09"].concat();
        let separate = separate(Codec::H264, &unit);
        let sps = sps_without_reordering(&X264).unwrap();
        let expected = [b"\0\0\0\x01\x09\xF0\0\0\0\x01", &sps[..], b"\0\0\x01\x68\xEB\0\0\x01\x65\x88\0\0\x01\x65\x09"].concat();
        assert_eq!(separate, expected);
    }

    #[test]
    fn each_slice_of_a_cra_picture_becomes_bla() {
        let unit = b"\0\0\0\x01\x46\x01\x50\0\0\x01\x2A\x01\x88\0\0\x01\x2A\x01\x99";
        let expected = b"\0\0\0\x01\x46\x01\x50\0\0\x01\x20\x01\x88\0\0\x01\x20\x01\x99";
        assert_eq!(*separate(Codec::Hevc, unit), expected[..]);
        let idr = b"\0\0\x01\x26\x01\x88";
        assert!(matches!(separate(Codec::Hevc, idr), Cow::Borrowed(_)));
    }

    #[test]
    fn emulation_prevention_there_and_back() {
        for bytes in [&b"\0\0\0\0\0\0\x01"[..], b"\x01\0\0\x03\x04", b"\0\0\x02\0"] {
            assert_eq!(unescape(&escape(bytes)), bytes);
        }
    }
}
