//! Picture size and sample format out of the sequence parameter sets of H.264 and HEVC.
use super::bits::BitReader;
use crate::program::VideoFormat;

/// Format of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleFormat {
    /// Layout of chroma samples.
    pub chroma: Chroma,
    /// Bits of a luma sample.
    pub depth: u32,
}

/// `chroma_format_idc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chroma {
    /// Luma alone.
    Grey,
    /// Half the width and height of luma.
    Yuv420,
    /// Half the width of luma.
    Yuv422,
    /// The size of luma.
    Yuv444,
}

impl SampleFormat {
    fn new(chroma_format_idc: u32, depth_minus8: u32) -> Option<Self> {
        let chroma = match chroma_format_idc {
            0 => Chroma::Grey,
            1 => Chroma::Yuv420,
            2 => Chroma::Yuv422,
            3 => Chroma::Yuv444,
            _ => return None,
        };
        // Both standards end at 16 bits.
        (depth_minus8 <= 8).then_some(Self { chroma, depth: 8 + depth_minus8 })
    }
}

/// Reads `slice_type` of an H.264 slice (ISO/IEC 14496-10 §7.3.3), from the bytes after the NAL
/// header.
pub(crate) fn h264_slice_type(rbsp: &[u8]) -> Option<u32> {
    let mut bits = BitReader { bytes: rbsp, at: 0 };
    bits.ue()?;
    bits.ue()
}

/// Reads the picture size in an H.264 SPS (ISO/IEC 14496-10 §7.3.2.1.1), from the bytes after the
/// NAL header.
pub(crate) fn h264(rbsp: &[u8]) -> Option<VideoFormat> {
    h264_up_to_vui(&mut BitReader { bytes: rbsp, at: 0 }).map(|sps| sps.format)
}

/// Fields of an H.264 SPS: the picture size, and those that shape slice headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct H264 {
    pub(crate) format: VideoFormat,
    pub(crate) samples: SampleFormat,
    pub(crate) separate_planes: bool,
    /// Bits of `frame_num`.
    pub(crate) frame_num: u32,
    /// Bits of `pic_order_cnt_lsb`; 0 where there is none.
    pub(crate) order_lsb: u32,
    /// Slice headers have `delta_pic_order_cnt`.
    pub(crate) order_deltas: bool,
    pub(crate) frame_only: bool,
}

/// Reads an H.264 SPS, and leaves `bits` at `vui_parameters_present_flag`.
pub(crate) fn h264_up_to_vui(bits: &mut BitReader<'_>) -> Option<H264> {
    let profile = bits.bits(8)?;
    bits.skip(16);
    bits.ue()?;
    let (mut chroma, mut separate_planes) = (1, false);
    let mut samples = SampleFormat { chroma: Chroma::Yuv420, depth: 8 };
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma = bits.ue()?;
        separate_planes = chroma == 3 && bits.flag()?;
        samples = SampleFormat::new(chroma, bits.ue()?)?;
        bits.ue()?;
        bits.skip(1);
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        if separate_planes {
            chroma = 0;
        }
    }
    let frame_num = bits.ue()? + 4;
    let (mut order_lsb, mut order_deltas) = (0, false);
    match bits.ue()? {
        0 => order_lsb = bits.ue()? + 4,
        1 => {
            order_deltas = !bits.flag()?;
            bits.ue()?;
            bits.ue()?;
            for _ in 0..bits.ue()?.min(255) {
                bits.ue()?;
            }
        }
        _ => {}
    }
    bits.ue()?;
    bits.skip(1);
    let width = bits.ue()?.checked_add(1)?.checked_mul(16)?;
    let map_height = bits.ue()?.checked_add(1)?.checked_mul(16)?;
    let frame_only = bits.flag()?;
    let fields = if frame_only { 1 } else { 2 };
    bits.skip(if frame_only { 1 } else { 2 });
    let unit = match chroma {
        1 => (2, 2 * fields),
        2 => (2, fields),
        _ => (1, fields),
    };
    let format = crop(bits, width, map_height.checked_mul(fields)?, unit)?;
    Some(H264 { format, samples, separate_planes, frame_num, order_lsb, order_deltas, frame_only })
}

fn scaling_list(bits: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// Reads the sample format in an H.264 SPS, from the bytes after the NAL header.
pub(crate) fn h264_samples(rbsp: &[u8]) -> Option<SampleFormat> {
    h264_up_to_vui(&mut BitReader { bytes: rbsp, at: 0 }).map(|sps| sps.samples)
}

/// Reads the picture size in an HEVC SPS (ISO/IEC 23008-2 §7.3.2.2.1), from the bytes after the NAL
/// header.
pub(crate) fn hevc(rbsp: &[u8]) -> Option<VideoFormat> {
    hevc_up_to_depth(&mut BitReader { bytes: rbsp, at: 4 }).map(|(format, _)| format)
}

/// Reads the sample format in an HEVC SPS, from the bytes after the NAL header.
pub(crate) fn hevc_samples(rbsp: &[u8]) -> Option<SampleFormat> {
    let mut bits = BitReader { bytes: rbsp, at: 4 };
    let (_, chroma_format_idc) = hevc_up_to_depth(&mut bits)?;
    SampleFormat::new(chroma_format_idc, bits.ue()?)
}

/// Reads an HEVC SPS up to its size and `chroma_format_idc`, and leaves `bits` at
/// `bit_depth_luma_minus8`.
fn hevc_up_to_depth(bits: &mut BitReader<'_>) -> Option<(VideoFormat, u32)> {
    let sub_layers = bits.bits(3)?;
    bits.skip(1 + 88 + 8);
    let mut skipped = 0;
    for _ in 0..sub_layers {
        skipped += if bits.flag()? { 88 } else { 0 };
        skipped += if bits.flag()? { 8 } else { 0 };
    }
    if sub_layers > 0 {
        skipped += 2 * (8 - sub_layers as usize);
    }
    bits.skip(skipped);
    bits.ue()?;
    let chroma_format_idc = bits.ue()?;
    let has_separate_planes = chroma_format_idc == 3 && bits.flag()?;
    let chroma = if has_separate_planes { 0 } else { chroma_format_idc };
    let (width, height) = (bits.ue()?, bits.ue()?);
    let unit = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    Some((crop(bits, width, height, unit)?, chroma_format_idc))
}

/// Takes off the cropping rectangle that follows; `None` if nothing would be left.
fn crop(
    bits: &mut BitReader<'_>,
    width: u32,
    height: u32,
    unit: (u32, u32),
) -> Option<VideoFormat> {
    let [mut left, mut right, mut top, mut bottom] = [0; 4];
    if bits.flag()? {
        (left, right, top, bottom) = (bits.ue()?, bits.ue()?, bits.ue()?, bits.ue()?);
    }
    let width = width.checked_sub(left.checked_add(right)?.checked_mul(unit.0)?)?;
    let height = height.checked_sub(top.checked_add(bottom)?.checked_mul(unit.1)?)?;
    // Level limits are far below; larger sizes are damage.
    ((1..=16_384).contains(&width) && (1..=16_384).contains(&height))
        .then_some(VideoFormat { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_1080p_is_cropped() {
        // x264, High, 1920×1088 coded.
        let sps =
            [0x64, 0x00, 0x28, 0xAC, 0xD9, 0x40, 0x78, 0x02, 0x27, 0xE5, 0xC0, 0x44, 0x00, 0x00];
        assert_eq!(h264(&sps), Some(VideoFormat { width: 1920, height: 1080 }));
        assert_eq!(h264(&sps[..7]), None);
    }

    #[test]
    fn slice_types() {
        // first_mb 0, slice_type 7; first_mb 0, slice_type 5.
        assert_eq!(h264_slice_type(&[0b1000_1000]), Some(7));
        assert_eq!(h264_slice_type(&[0b1001_1000]), Some(5));
        assert_eq!(h264_slice_type(&[0]), None);
    }

    #[test]
    fn nonsense_sps_is_refused() {
        assert_eq!(h264(&[0; 64]), None);
        assert_eq!(hevc(&[0; 64]), None);
        assert_eq!(hevc(&[0xFF; 64]), None);
    }
}
