//! Makes picture files from the samples of a decoder: JPEG, PNG and WebP.
//!
//! The decoder outputs samples as the stream has them. Their meaning varies from picture to
//! picture: range and matrix, one field or two, square pixels or not. It is known only once the
//! picture is decoded, too late for a filter graph that has to be written before the first byte. So
//! the conversion is done here, and only for pictures that are kept. The crate opens no file, and
//! starts no thread.
//!
//! [`FrameFormat`] says what the samples mean, as ffmpeg's `showinfo` prints it; a [`Painter`]
//! makes the files as [`OutputOptions`] ask.

mod colour;
mod encode;
mod format;
mod geometry;
mod jfif;
mod options;
mod plane;
mod planes;
mod resample;
mod rgb;
mod xmp;

use anyhow::Result;

use self::geometry::SampleGrid;
use self::jfif::Ycc;
use self::planes::Planes;
use self::rgb::Rgb;

pub use self::format::{Colours, Field, FrameFormat, Matrix, Samples, Transfer, field, formats};
pub use self::options::{Crop, Format, OutputOptions, Scale};
pub use self::xmp::Origin;

/// Step from one quality to the next that is tried for `--max-bytes`, and the last one.
const STEP: u8 = 10;
const WORST: u8 = 10;

/// Picture file, with its thumbnail.
#[derive(Debug)]
pub struct Encoded {
    /// The file.
    pub bytes: Vec<u8>,
    /// Width of the picture, in pixels.
    pub width: u32,
    /// Height of the picture, in pixels.
    pub height: u32,
    /// Bytes of the thumbnail's JPEG.
    pub thumbnail: Option<Vec<u8>>,
}

/// Makes picture files, all with the same options.
#[derive(Debug)]
pub struct Painter {
    options: OutputOptions,
    quality: u8,
    /// Largest file of the lossy formats, in bytes.
    max_bytes: usize,
    /// Notes about surprising pictures, and whether each was made.
    notes: Vec<String>,
    said_crop: bool,
    said_range: bool,
}

impl Painter {
    /// Returns a painter of files at this quality (1 to 100) or, for files of a lossy format that
    /// are larger than `max_bytes` otherwise, a lower one.
    #[must_use]
    pub fn new(options: OutputOptions, quality: u8, max_bytes: Option<u64>) -> Self {
        let max_bytes = max_bytes.map_or(usize::MAX, |bytes| bytes as usize);
        let notes = Vec::new();
        Self { options, quality, max_bytes, notes, said_crop: false, said_range: false }
    }

    /// Makes the file and the thumbnail of one picture.
    pub fn paint(
        &mut self,
        samples: &[u8],
        format: &FrameFormat,
        origin: &Origin<'_>,
    ) -> Result<Encoded> {
        let xmp = xmp::packet(origin);
        let planes = Planes::new(samples, format);
        let mut painted = self.file(&planes, &self.options, &xmp)?;
        if let Some(options) = self.options.thumbnail() {
            painted.thumbnail = Some(self.file(&planes, &options, &xmp)?.bytes);
        }
        self.note(format);
        Ok(painted)
    }

    /// Returns the notes about surprising pictures since the last call: each is made once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn file(&self, planes: &Planes<'_>, options: &OutputOptions, xmp: &str) -> Result<Encoded> {
        let grid = grid_of(planes.format, options);
        let direct = grid.filter(|_| options.format == Format::Jpeg);
        if let Some(picture) = direct.and_then(|grid| Ycc::of(planes, grid)) {
            let bytes = self.bounded(|quality| encode::coarse_jpeg(&picture, quality, xmp))?;
            let Ycc { width, height, .. } = picture;
            return Ok(Encoded { bytes, width, height, thumbnail: None });
        }
        let picture = grid.map_or_else(Rgb::default, |grid| Rgb::of(planes, grid));
        let encode = |quality| encode::encode(&picture, options.format, quality, xmp);
        let bytes = match options.format {
            Format::Jpeg | Format::Webp => self.bounded(encode)?,
            Format::Png | Format::WebpLossless => encode(self.quality)?,
        };
        let Rgb { width, height, .. } = picture;
        Ok(Encoded { bytes, width, height, thumbnail: None })
    }

    /// Encodes at the best quality whose file is not too large, or at the worst one. `encode`
    /// encodes at a quality.
    fn bounded(&self, encode: impl Fn(u8) -> Result<Vec<u8>>) -> Result<Vec<u8>> {
        let mut quality = self.quality;
        loop {
            let bytes = encode(quality)?;
            if bytes.len() <= self.max_bytes || quality <= WORST {
                return Ok(bytes);
            }
            quality = quality.saturating_sub(STEP).max(WORST);
        }
    }

    fn note(&mut self, format: &FrameFormat) {
        if !self.said_crop && SampleGrid::of(format, &self.options).is_none() {
            self.said_crop = true;
            self.notes.push(format!(
                "--crop: lies outside of a picture of {}×{}, which is kept whole",
                format.width, format.height
            ));
        }
        if !self.said_range && format.colours.transfer != Transfer::Sdr {
            self.said_range = true;
            let name = if format.colours.transfer == Transfer::Pq { "PQ" } else { "HLG" };
            self.notes.push(format!(
                "the stream has high dynamic range ({name}); pictures are brought to standard range"
            ));
        }
    }
}

/// Returns the pixels that `options` ask for, ignoring a crop outside of the picture.
fn grid_of(format: &FrameFormat, options: &OutputOptions) -> Option<SampleGrid> {
    SampleGrid::of(format, options)
        .or_else(|| SampleGrid::of(format, &OutputOptions { crop: None, ..*options }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin<'static> = Origin {
        id: "F000001",
        timestamp: 0.0,
        pts: 0,
        segment: "/segment.ts",
        reason: "first",
        session: None,
    };

    /// Returns every format that the decoder can output, all of one size.
    fn all_formats() -> Vec<FrameFormat> {
        let mut formats = Vec::new();
        for chroma in [(1, 1), (1, 0), (0, 0)] {
            for depth in [8, 10, 12] {
                for field in [None, Some(Field::Top), Some(Field::Bottom)] {
                    for (full, matrix) in [(false, Matrix::Bt601), (true, Matrix::Bt709)] {
                        formats.push(FrameFormat {
                            width: 90,
                            height: 74,
                            aspect: (1, 1),
                            samples: Samples { chroma, depth },
                            field,
                            colours: Colours { full, matrix, transfer: Transfer::Sdr },
                        });
                    }
                }
            }
        }
        formats
    }

    /// Returns the planes of a picture of one colour, and that colour.
    fn flat(format: &FrameFormat, [y, cb, cr]: [f64; 3]) -> (Vec<u8>, [f64; 3]) {
        let codes = f64::from(1_u32 << format.samples.depth);
        let (black, luma, chroma) = if format.colours.full {
            (0.0, codes - 1.0, codes - 1.0)
        } else {
            (codes / 16.0, codes / 256.0 * 219.0, codes / 256.0 * 224.0)
        };
        let stored = [black + y * luma, codes / 2.0 + cb * chroma, codes / 2.0 + cr * chroma]
            .map(f64::round);
        let mut bytes = Vec::new();
        for (n, code) in stored.into_iter().enumerate() {
            let (width, height) = format.plane(n);
            let code = (code as u16).to_le_bytes();
            (0..width * height).for_each(|_| bytes.extend_from_slice(&code[..format.sample()]));
        }
        let [y, cb, cr] = [
            (stored[0] - black) / luma,
            (stored[1] - codes / 2.0) / chroma,
            (stored[2] - codes / 2.0) / chroma,
        ];
        let (red, blue) =
            if format.colours.matrix == Matrix::Bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let (r, b) = (y + 2.0 * (1.0 - red) * cr, y + 2.0 * (1.0 - blue) * cb);
        let g = (y - red * r - blue * b) / (1.0 - red - blue);
        (bytes, [r, g, b].map(|value| 255.0 * value))
    }

    fn decode(bytes: &[u8], format: Format) -> Vec<u8> {
        match format {
            Format::Jpeg => {
                turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGB).unwrap().pixels
            }
            Format::Png => {
                let mut reader =
                    png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
                let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
                reader.next_frame(&mut pixels).unwrap();
                pixels
            }
            Format::Webp | Format::WebpLossless => {
                let mut decoder =
                    image_webp::WebPDecoder::new(std::io::Cursor::new(bytes)).unwrap();
                let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
                decoder.read_image(&mut pixels).unwrap();
                pixels
            }
        }
    }

    /// Covers every sample format, field order, file format, scale and crop.
    #[test]
    fn noisy_picture_is_encoded_at_a_quality_that_fits() {
        let format = all_formats()[0];
        let (mut samples, _) = flat(&format, [0.5, 0.0, 0.0]);
        let mut state = 1_u32;
        for sample in &mut samples {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = (state >> 24) as u8;
        }
        for file_format in [Format::Jpeg, Format::Webp] {
            let options = OutputOptions { format: file_format, ..OutputOptions::default() };
            let bytes = |most: Option<u64>| {
                let mut painter = Painter::new(options, 90, most);
                painter.paint(&samples, &format, &ORIGIN).unwrap().bytes
            };
            let whole = bytes(None);
            assert_eq!(bytes(Some(whole.len() as u64)), whole);
            let most = whole.len() * 3 / 4;
            let fitting = bytes(Some(most as u64)).len();
            assert!(fitting <= most && fitting > most / 3, "{fitting} of {most}");
            assert!(bytes(Some(1)).len() < fitting, "the worst is kept");
        }
    }

    #[test]
    fn flat_picture_keeps_its_colour_in_every_pixel() {
        let crop = Some(Crop { x: 5, y: 3, width: 61, height: 55 });
        let half = Some(Scale { width: 45, height: None });
        let odd = Some(Scale { width: 64, height: None });
        let variants = [(None, None), (None, half), (None, odd), (crop, None), (crop, odd)];
        let colours = [[0.5, 0.0, 0.0], [0.45, 0.12, -0.1], [0.4, -0.08, 0.15]];
        for format in all_formats() {
            for colour in colours {
                let (samples, expected) = flat(&format, colour);
                for file_format in [Format::Jpeg, Format::Png, Format::Webp, Format::WebpLossless] {
                    for (crop, scale) in variants {
                        let options =
                            OutputOptions { format: file_format, crop, scale, thumbnails: None };
                        let mut painter = Painter::new(options, 100, None);
                        let painted = painter.paint(&samples, &format, &ORIGIN).unwrap();
                        let pixels = decode(&painted.bytes, file_format);
                        let off = |(n, value): (usize, &u8)| {
                            (f64::from(*value) - expected[n % 3]).abs() > 2.0
                        };
                        let wrong = pixels.iter().enumerate().find(|pair| off(*pair));
                        assert_eq!(wrong, None, "{format:?} {options:?} of {expected:?}");
                    }
                }
            }
        }
    }
}
