//! RGB into the bytes of a file, with its XMP packet.

use anyhow::{Context as _, Result, anyhow};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use super::{Rgb, look::Format, ycc::Ycc};

/// Encodes a picture; `quality` (1 to 100) is for the formats that lose something.
pub(crate) fn encode(picture: &Rgb, format: Format, quality: u8, xmp: &str) -> Result<Vec<u8>> {
    let encoded = match format {
        Format::Jpeg => jpeg(picture, quality, xmp),
        Format::Png => png(picture, xmp),
        Format::Webp => webp(picture, quality, xmp),
        Format::WebpLossless => webp_lossless(picture, xmp),
    };
    encoded.with_context(|| format!("a picture of {}×{}", picture.width, picture.height))
}

fn jpeg(picture: &Rgb, quality: u8, xmp: &str) -> Result<Vec<u8>> {
    let (width, height) = (u16::try_from(picture.width)?, u16::try_from(picture.height)?);
    let mut bytes = Vec::with_capacity(picture.pixels.len() / 8);
    let mut encoder = jpeg_encoder(&mut bytes, quality, xmp)?;
    // Where it is made coarser, it is that of the middle of four pixels, as JFIF says.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.encode(&picture.pixels, width, height, ColorType::Rgb)?;
    Ok(bytes)
}

/// A JPEG with the coarse chroma that the picture has.
pub(crate) fn coarse_jpeg(picture: &Ycc, quality: u8, xmp: &str) -> Result<Vec<u8>> {
    let named = || format!("a picture of {}×{}", picture.width, picture.height);
    let mut bytes = Vec::with_capacity(picture.width as usize * picture.height as usize / 3);
    let mut encoder = jpeg_encoder(&mut bytes, quality, xmp).with_context(named)?;
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Nearest);
    encoder.encode_image(picture).with_context(named)?;
    Ok(bytes)
}

fn jpeg_encoder<'a>(
    bytes: &'a mut Vec<u8>,
    quality: u8,
    xmp: &str,
) -> Result<Encoder<&'a mut Vec<u8>>> {
    let mut encoder = Encoder::new(bytes, quality);
    // XMP specification part 3, 1.1.3.
    encoder.add_app_segment(1, [b"http://ns.adobe.com/xap/1.0/\0", xmp.as_bytes()].concat())?;
    Ok(encoder)
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
    // RIFF, its length, WEBP, and then the one chunk that there is.
    let image = encoded.get(12..).context("libwebp gave no picture")?;
    Ok(with_xmp(image, picture.width, picture.height, xmp))
}

/// The extended form of a WebP file (RFC 9649, 2.7): what it holds, the picture, the packet.
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
