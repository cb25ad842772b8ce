//! Makes keyframes decodable once the pictures between them are gone.
//!
//! The display order of a picture that does not begin a sequence counts from those before it.
//! Without them it is meaningless, and a decoder drops a picture that seems to come too late. So
//! each keyframe is made to begin a sequence.
//! - H.264: an I picture becomes an IDR picture. The SPS declares that nothing is reordered;
//!   otherwise a decoder would hold pictures back for others to be displayed before them.
//! - HEVC: a CRA picture becomes a BLA picture.
use super::bits::{BitReader, BitWriter};
use super::idr::SliceContext;
use super::nal::{escape, unescape};
use super::sps;
use crate::codec::Codec;
use std::borrow::Cow;
use std::ops::Range;

/// NAL unit types of H.264 (ISO/IEC 14496-10 table 7-1).
const SLICE: u8 = 1;
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
/// NAL unit types of HEVC (ISO/IEC 23008-2 table 7-1).
const BLA_W_LP: u8 = 16;
const CRA: u8 = 21;

/// Makes access units stand alone; knows the last parameter sets.
#[derive(Debug)]
pub(crate) struct Standalone {
    codec: Codec,
    context: SliceContext,
}

impl Standalone {
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, context: SliceContext::default() }
    }

    /// Tells whether keyframes come as two fields, of which the second is no keyframe.
    pub(crate) fn has_fields(&self) -> bool {
        self.context.has_fields
    }

    /// Returns the access unit made independent of all others.
    pub(crate) fn rewrite<'a>(&mut self, payload: &'a [u8]) -> Cow<'a, [u8]> {
        match self.codec {
            Codec::H264 => without_past(payload, &mut self.context),
            Codec::Hevc => with_broken_links(payload),
            _ => payload.into(),
        }
    }
}

/// Returns the ranges of NAL units, without start codes.
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

fn without_past<'a>(payload: &'a [u8], context: &mut SliceContext) -> Cow<'a, [u8]> {
    let (mut out, mut copied) = (Vec::new(), 0);
    for range in units(payload) {
        let unit = &payload[range.clone()];
        let replaced = match unit[0] & 0x1F {
            SPS => {
                context.read_sps(unit);
                sps_without_reordering(unit)
            }
            PPS => {
                context.read_pps(unit);
                None
            }
            SLICE => context.idr(unit),
            IDR => break,
            _ => None,
        };
        if let Some(replaced) = replaced {
            out.extend_from_slice(&payload[copied..range.start]);
            out.extend(replaced);
            copied = range.end;
        }
    }
    if copied == 0 {
        return payload.into();
    }
    out.extend_from_slice(&payload[copied..]);
    out.into()
}

/// Returns an SPS of H.264 whose `max_num_reorder_frames` is 0.
fn sps_without_reordering(unit: &[u8]) -> Option<Vec<u8>> {
    let (&header, escaped) = unit.split_first()?;
    let rbsp = unescape(escaped);
    let mut bits = BitReader { bytes: &rbsp, at: 0 };
    sps::h264_up_to_vui(&mut bits)?;
    let mut out = BitWriter::default();
    if bits.flag()? {
        skip_vui(&mut bits)?;
        out.copy(&rbsp, 0..bits.at)?;
    } else {
        out.copy(&rbsp, 0..bits.at - 1)?;
        // vui_parameters_present_flag, and nothing in it.
        out.bits(0b1_0000_0000, 9);
    }
    // bitstream_restriction_flag, motion_vectors_over_pic_boundaries_flag, no limit of bytes and
    // bits (§E.2.1), vectors as long as can be, max_num_reorder_frames, max_dec_frame_buffering.
    out.bits(0b11, 2);
    for value in [0, 0, 15, 15, 0, 16] {
        out.ue(value);
    }
    out.bits(1, 1);
    Some([&[header], escape(&out.bytes).as_slice()].concat())
}

/// Goes to `bitstream_restriction_flag` (ISO/IEC 14496-10 §E.1.1).
fn skip_vui(bits: &mut BitReader<'_>) -> Option<()> {
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

/// Skips a flag, and the parameters of a hypothetical reference decoder if it is set (§E.1.2).
fn skip_hrd(bits: &mut BitReader<'_>) -> Option<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// SPS of x264, 320×240, with VUI.
    const X264: [u8; 25] = [
        0x67, 0x64, 0x00, 0x0D, 0xAC, 0xD9, 0x41, 0x41, 0xFB, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00,
        0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xF1, 0x42, 0x99, 0x60,
    ];

    #[test]
    fn sps_with_reordering_loses_it() {
        let sps = sps_without_reordering(&X264).unwrap();
        let rbsp = unescape(&sps[1..]);
        let mut bits = BitReader { bytes: &rbsp, at: 0 };
        let sps_read = sps::h264_up_to_vui(&mut bits).unwrap();
        assert_eq!((sps_read.format.width, sps_read.format.height), (320, 240));
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
        let unit = [
            b"\0\0\0\x01\x09\xF0\0\0\0\x01",
            &X264[..],
            b"\0\0\x01\x68\xEB\0\0\x01\x65\x88\0\0\x01\x65\x09",
        ]
        .concat();
        let mut standalone = Standalone::new(Codec::H264);
        let rewritten = standalone.rewrite(&unit);
        let sps = sps_without_reordering(&X264).unwrap();
        let expected = [
            b"\0\0\0\x01\x09\xF0\0\0\0\x01",
            &sps[..],
            b"\0\0\x01\x68\xEB\0\0\x01\x65\x88\0\0\x01\x65\x09",
        ]
        .concat();
        assert_eq!(rewritten, expected);
    }

    #[test]
    fn each_slice_of_a_cra_picture_becomes_bla() {
        let unit = b"\0\0\0\x01\x46\x01\x50\0\0\x01\x2A\x01\x88\0\0\x01\x2A\x01\x99";
        let expected = b"\0\0\0\x01\x46\x01\x50\0\0\x01\x20\x01\x88\0\0\x01\x20\x01\x99";
        let mut standalone = Standalone::new(Codec::Hevc);
        assert_eq!(*standalone.rewrite(unit), expected[..]);
        let idr = b"\0\0\x01\x26\x01\x88";
        assert!(matches!(standalone.rewrite(idr), Cow::Borrowed(_)));
    }
}
