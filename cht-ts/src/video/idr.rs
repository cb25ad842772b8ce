//! Turns I pictures of H.264 into IDR pictures (ISO/IEC 14496-10 §7.3.3): slice headers change,
//! slice data stays.
use super::bits::{BitReader, BitWriter};
use super::nal::{escape, unescape};
use super::sps::{self, H264};

const IDR: u8 = 5;

/// The last parameter sets, on which slice headers depend.
#[derive(Debug, Default)]
pub(crate) struct SliceContext {
    sps: Option<H264>,
    pps: Option<Pps>,
    /// Two IDR pictures in a row must differ in it.
    id: u32,
    /// A picture was a field.
    pub(crate) has_fields: bool,
}

/// Flags of a PPS that shape slice headers.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they are flags of the standard")]
struct Pps {
    cabac: bool,
    bottom_order: bool,
    deblocking: bool,
    redundant: bool,
}

impl SliceContext {
    pub(crate) fn read_sps(&mut self, unit: &[u8]) {
        let rbsp = unescape(&unit[1..]);
        self.sps = sps::h264_up_to_vui(&mut BitReader { bytes: &rbsp, at: 0 });
    }

    pub(crate) fn read_pps(&mut self, unit: &[u8]) {
        let rbsp = unescape(&unit[1..]);
        self.pps = read_pps(&mut BitReader { bytes: &rbsp, at: 0 });
    }

    /// Returns `unit` as a slice of an IDR picture. `None` if it is no I slice, or of a field: the
    /// other field would have to change as well.
    pub(crate) fn idr(&mut self, unit: &[u8]) -> Option<Vec<u8>> {
        let (sps, pps) = (self.sps?, self.pps?);
        let (&first, escaped) = unit.split_first()?;
        if first & 0x60 == 0 {
            return None; // not a reference, which an IDR picture is
        }
        // Zeros after a unit belong to the next start code.
        let end = escaped.iter().rposition(|&byte| byte != 0)? + 1;
        let rbsp = unescape(&escaped[..end]);
        let mut bits = BitReader { bytes: &rbsp, at: 0 };
        let mut out = BitWriter::default();
        let first_block = bits.ue()?;
        if !matches!(bits.ue()?, 2 | 7) {
            return None;
        }
        bits.ue()?;
        bits.skip(if sps.separate_planes { 2 } else { 0 });
        out.copy(&rbsp, 0..bits.at)?;
        bits.skip(sps.frame_num as usize);
        out.bits(0, sps.frame_num);
        if !sps.frame_only {
            if bits.flag()? {
                self.has_fields = true;
                return None;
            }
            out.bits(0, 1);
        }
        if first_block == 0 {
            self.id ^= 1;
        }
        out.ue(self.id); // idr_pic_id
        bits.skip(sps.order_lsb as usize);
        out.bits(0, sps.order_lsb);
        let rest = bits.at;
        if pps.bottom_order && sps.order_lsb > 0 {
            bits.se()?;
        }
        if sps.order_deltas {
            bits.se()?;
            if pps.bottom_order {
                bits.se()?;
            }
        }
        if pps.redundant {
            bits.ue()?;
        }
        out.copy(&rbsp, rest..bits.at)?;
        skip_marking(&mut bits)?;
        // no_output_of_prior_pics_flag, long_term_reference_flag
        out.bits(0, 2);
        let rest = bits.at;
        bits.se()?; // slice_qp_delta
        if pps.deblocking && bits.ue()? != 1 {
            bits.se()?;
            bits.se()?;
        }
        out.copy(&rbsp, rest..bits.at)?;
        if pps.cabac {
            out.align();
            out.extend(rbsp.get(bits.at.div_ceil(8)..)?);
        } else {
            out.copy(&rbsp, bits.at..rbsp.len() * 8)?;
        }
        Some([&[first & 0xE0 | IDR], escape(&out.bytes).as_slice()].concat())
    }
}

/// Reads a PPS without slice groups (§7.3.2.2).
fn read_pps(bits: &mut BitReader<'_>) -> Option<Pps> {
    bits.ue()?;
    bits.ue()?;
    let (cabac, bottom_order) = (bits.flag()?, bits.flag()?);
    if bits.ue()? > 0 {
        return None;
    }
    bits.ue()?;
    bits.ue()?;
    bits.skip(3); // weighted prediction
    bits.se()?;
    bits.se()?;
    bits.se()?;
    let deblocking = bits.flag()?;
    bits.skip(1);
    Some(Pps { cabac, bottom_order, deblocking, redundant: bits.flag()? })
}

/// Skips `dec_ref_pic_marking` of a picture that is no IDR (§7.3.3.3).
fn skip_marking(bits: &mut BitReader<'_>) -> Option<()> {
    if !bits.flag()? {
        return Some(());
    }
    loop {
        let values = match bits.ue()? {
            0 => return Some(()),
            1 | 2 | 4 | 6 => 1,
            3 => 2,
            5 => 0,
            _ => return None,
        };
        for _ in 0..values {
            bits.ue()?;
        }
    }
}
