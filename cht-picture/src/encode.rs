//! Encodes RGB as a picture file with an XMP packet.

use std::borrow::Cow;

use anyhow::{Context as _, Result, anyhow, bail};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp, YuvPlanesImage};

use super::{jfif::Ycc, options::Format, rgb::Rgb};

/// Encodes a picture; `quality` (1 to 100) applies to the lossy formats.
pub(crate) fn encode(picture: &Rgb, format: Format, quality: u8, xmp: &str) -> Result<Vec<u8>> {
    let encoded = match format {
        Format::Jpeg => jpeg(picture, quality, xmp),
        Format::Png => png(picture, xmp),
        Format::Webp => webp(picture, quality, xmp),
        Format::WebpLossless => webp_lossless(picture, xmp),
    };
    encoded.with_context(|| format!("a picture of {}×{}", picture.width, picture.height))
}

/// Lowest quality at which JPEG keeps chroma at full size.
const FINE: u8 = 90;

fn jpeg(picture: &Rgb, quality: u8, xmp: &str) -> Result<Vec<u8>> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let mut compressor = Compressor::new()?;
    compressor.set_quality(quality.into())?;
    compressor.set_subsamp(if quality >= FINE { Subsamp::None } else { Subsamp::Sub2x2 })?;
    let pixels = picture.pixels.as_slice();
    let format = PixelFormat::RGB;
    let image = Image { pixels, width, pitch: 3 * width, height, format };
    jpeg_with_xmp(&compressor.compress_to_owned(image)?, xmp)
}

/// Encodes a JPEG with chroma of half the width and height.
pub(crate) fn coarse_jpeg(picture: &Ycc, quality: u8, xmp: &str) -> Result<Vec<u8>> {
    let compress = || {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let [u_plane, v_plane] = picture.chroma.each_ref().map(Vec::as_slice);
        let half = width.div_ceil(2);
        let luma = padded_to_even(&picture.luma, width, height);
        let planes = YuvPlanesImage {
            y_plane: luma.as_ref(),
            u_plane,
            v_plane,
            width,
            height,
            y_stride: 2 * half,
            u_stride: half,
            v_stride: half,
            subsamp: Subsamp::Sub2x2,
        };
        let mut compressor = Compressor::new()?;
        compressor.set_quality(quality.into())?;
        jpeg_with_xmp(&compressor.compress_yuv_planes_to_owned(&planes)?, xmp)
    };
    compress().with_context(|| format!("a picture of {}×{}", picture.width, picture.height))
}

/// Returns the plane with an even number of rows and columns, which the encoder requires, by
/// repeating the last one.
fn padded_to_even(plane: &[u8], width: usize, height: usize) -> Cow<'_, [u8]> {
    if width.is_multiple_of(2) && height.is_multiple_of(2) {
        return Cow::Borrowed(plane);
    }
    let rows = plane.chunks_exact(width);
    let last = rows.clone().next_back().filter(|_| height % 2 == 1);
    let extra = |row: &[u8]| row.last().copied().filter(|_| width % 2 == 1);
    Cow::Owned(rows.chain(last).flat_map(|row| row.iter().copied().chain(extra(row))).collect())
}

/// Inserts the packet as a segment after the JFIF header, which comes first (XMP specification part
/// 3, 1.1.3).
fn jpeg_with_xmp(jpeg: &[u8], xmp: &str) -> Result<Vec<u8>> {
    const NAME: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
    let &[0xff, 0xd8, 0xff, 0xe0, high, low, ..] = jpeg else { bail!("JPEG without JFIF header") };
    let (head, rest) = jpeg.split_at(4 + usize::from(u16::from_be_bytes([high, low])));
    let length = u16::try_from(2 + NAME.len() + xmp.len()).context("the XMP packet is too long")?;
    Ok([head, &[0xff, 0xe1], &length.to_be_bytes(), NAME, xmp.as_bytes(), rest].concat())
}

fn png(picture: &Rgb, xmp: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(picture.pixels.len() / 2);
    let mut encoder = png::Encoder::new(&mut bytes, picture.width, picture.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // XMP specification part 3, 1.1.5.
    encoder.add_itxt_chunk("XML:com.adobe.xmp".to_owned(), xmp.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.pixels)?;
    writer.finish()?;
    Ok(bytes)
}

fn webp_lossless(picture: &Rgb, xmp: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(picture.pixels.len() / 2);
    let mut encoder = image_webp::WebPEncoder::new(&mut bytes);
    encoder.set_xmp_metadata(xmp.as_bytes().to_vec());
    encoder.encode(&picture.pixels, picture.width, picture.height, image_webp::ColorType::Rgb8)?;
    Ok(bytes)
}

fn webp(picture: &Rgb, quality: u8, xmp: &str) -> Result<Vec<u8>> {
    let encoder = webp::Encoder::from_rgb(&picture.pixels, picture.width, picture.height);
    let encoded = encoder
        .encode_simple(false, f32::from(quality))
        .map_err(|error| anyhow!("libwebp: {error:?}"))?;
    // RIFF, its length, WEBP, then the only chunk.
    let image = encoded.get(12..).context("libwebp gave no picture")?;
    Ok(with_xmp(image, picture.width, picture.height, xmp))
}

/// Returns an extended WebP file (RFC 9649, 2.7): feature flags, picture, packet.
fn with_xmp(image: &[u8], width: u32, height: u32, xmp: &str) -> Vec<u8> {
    const HOLDS_XMP: u32 = 1 << 2;
    let mut chunks = b"WEBP".to_vec();
    let mut extended = HOLDS_XMP.to_le_bytes().to_vec();
    extended.extend_from_slice(&(width - 1).to_le_bytes()[..3]);
    extended.extend_from_slice(&(height - 1).to_le_bytes()[..3]);
    chunk(&mut chunks, *b"VP8X", &extended);
    chunks.extend_from_slice(image);
    chunk(&mut chunks, *b"XMP ", xmp.as_bytes());
    let mut file = Vec::with_capacity(chunks.len() + 8);
    chunk(&mut file, *b"RIFF", &chunks);
    file
}

fn chunk(file: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    file.extend_from_slice(&name);
    file.extend_from_slice(&(content.len() as u32).to_le_bytes());
    file.extend_from_slice(content);
    if content.len() % 2 == 1 {
        file.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_row_and_column_are_repeated() {
        assert_eq!(padded_to_even(&[1, 2, 3, 4], 2, 2), [1, 2, 3, 4].as_slice());
        assert_eq!(padded_to_even(&[1, 2, 3], 3, 1), [1, 2, 3, 3, 1, 2, 3, 3].as_slice());
    }

    #[test]
    fn coarse_jpeg_of_any_size_decodes() {
        for (width, height) in [(1, 1), (7, 4), (8, 5), (16, 16)] {
            let luma = vec![90; width * height];
            let chroma = [(); 2].map(|()| vec![128; width.div_ceil(2) * height.div_ceil(2)]);
            let picture = Ycc { width: width as u32, height: height as u32, luma, chroma };
            let bytes = coarse_jpeg(&picture, 85, "packet").unwrap();
            let decoded = turbojpeg::decompress(&bytes, PixelFormat::GRAY).unwrap();
            assert_eq!((decoded.width, decoded.height), (width, height));
            assert!(decoded.pixels.iter().all(|pixel| pixel.abs_diff(90) <= 2));
        }
    }
}
