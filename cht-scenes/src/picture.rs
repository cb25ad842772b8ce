//! Pictures: RGB in, JPEG out.

use anyhow::{Context as _, Result};
use jpeg_encoder::{ColorType, Encoder};

/// Encodes packed 8-bit RGB, `width × height × 3` bytes.
pub(crate) fn jpeg(rgb: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>> {
    let too_large = || format!("{width}×{height} is too large for a JPEG (65535 at most)");
    let (width, height) = (
        u16::try_from(width).with_context(too_large)?,
        u16::try_from(height).with_context(too_large)?,
    );
    let mut bytes = Vec::with_capacity(rgb.len() / 8);
    Encoder::new(&mut bytes, quality).encode(rgb, width, height, ColorType::Rgb)?;
    Ok(bytes)
}
