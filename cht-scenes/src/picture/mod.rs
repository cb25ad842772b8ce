//! Pictures: what the decoder gives in, files out.
//!
//! The decoder gives samples as the stream has them. What they mean is different from picture to picture: which range and
//! matrix, one field or two, square pixels or not. It is known only when the picture is there, too late for a
//! filter graph that has to be written before the first byte. So they are made into pixels here, and only those that are kept.

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
use cht_core::process::report;

use self::format::Transfer;
use self::geometry::SampleGrid;
use self::jfif::Ycc;
use self::planes::Planes;
use self::rgb::Rgb;

pub(crate) use self::format::{FrameFormat, field, formats};
pub(crate) use self::options::{Format, OutputOptions};
pub(crate) use xmp::Origin;

/// A picture as a file.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub bytes: Vec<u8>,
    pub width: u32,
    pub height: u32,
    /// The small one beside it.
    pub thumbnail: Option<Vec<u8>>,
}

/// Makes files of pictures, all in one way.
#[derive(Debug)]
pub(crate) struct Painter {
    look: OutputOptions,
    quality: u8,
    /// What was said about the stream.
    said_crop: bool,
    said_range: bool,
}

impl Painter {
    pub(crate) fn new(look: OutputOptions, quality: u8) -> Self {
        Self { look, quality, said_crop: false, said_range: false }
    }

    /// Makes the files of one picture.
    pub(crate) fn paint(
        &mut self,
        samples: &[u8],
        form: &FrameFormat,
        origin: &Origin<'_>,
    ) -> Result<Encoded> {
        let xmp = xmp::packet(origin);
        let source = Planes::new(samples, form);
        let mut painted = self.file(&source, &self.look, &xmp)?;
        if let Some(look) = self.look.thumbnail() {
            painted.thumbnail = Some(self.file(&source, &look, &xmp)?.bytes);
        }
        self.warn(form);
        Ok(painted)
    }

    fn file(&self, source: &Planes<'_>, look: &OutputOptions, xmp: &str) -> Result<Encoded> {
        let place = place(source.form, look);
        let direct = place.filter(|_| look.format == Format::Jpeg);
        if let Some(picture) = direct.and_then(|place| Ycc::of(source, place)) {
            let bytes = encode::coarse_jpeg(&picture, self.quality, xmp)?;
            let Ycc { width, height, .. } = picture;
            return Ok(Encoded { bytes, width, height, thumbnail: None });
        }
        let picture = place.map_or_else(Rgb::default, |place| Rgb::of(source, place));
        let bytes = encode::encode(&picture, look.format, self.quality, xmp)?;
        let Rgb { width, height, .. } = picture;
        Ok(Encoded { bytes, width, height, thumbnail: None })
    }

    /// Says once what may surprise in pictures of this stream.
    fn warn(&mut self, form: &FrameFormat) {
        if !self.said_crop && SampleGrid::of(form, &self.look).is_none() {
            self.said_crop = true;
            report::note(format_args!(
                "--crop: lies outside of a picture of {}×{}, which is kept whole",
                form.width, form.height
            ));
        }
        if !self.said_range && form.colours.transfer != Transfer::Sdr {
            self.said_range = true;
            let name = if form.colours.transfer == Transfer::Pq { "PQ" } else { "HLG" };
            report::note(format_args!(
                "the stream has high dynamic range ({name}); pictures are brought to standard range"
            ));
        }
    }
}

/// Where the picture lies that `look` asks for. A crop that holds nothing is left out.
fn place(form: &FrameFormat, look: &OutputOptions) -> Option<SampleGrid> {
    SampleGrid::of(form, look)
        .or_else(|| SampleGrid::of(form, &OutputOptions { crop: None, ..*look }))
}

#[cfg(test)]
mod tests {
    use cht_core::event::Reason;

    use super::*;
    use crate::picture::{
        format::{Colours, Field, Matrix, Samples},
        options::{Crop, Scale},
    };

    const ORIGIN: Origin<'static> = Origin {
        id: "F000001",
        timestamp: 0.0,
        pts: 0,
        segment: "/segment.ts",
        reason: Reason::First,
        session: None,
    };

    /// Every form of a picture that the decoder can give, of one size.
    fn forms() -> Vec<FrameFormat> {
        let mut forms = Vec::new();
        for chroma in [(1, 1), (1, 0), (0, 0)] {
            for depth in [8, 10, 12] {
                for field in [None, Some(Field::Top), Some(Field::Bottom)] {
                    for (full, matrix) in [(false, Matrix::Bt601), (true, Matrix::Bt709)] {
                        forms.push(FrameFormat {
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
        forms
    }

    /// A picture whose samples are the same everywhere: its planes, and its colour.
    fn flat(form: &FrameFormat, [y, cb, cr]: [f64; 3]) -> (Vec<u8>, [f64; 3]) {
        let codes = f64::from(1_u32 << form.samples.depth);
        let (black, luma, chroma) = if form.colours.full {
            (0.0, codes - 1.0, codes - 1.0)
        } else {
            (codes / 16.0, codes / 256.0 * 219.0, codes / 256.0 * 224.0)
        };
        let stored = [black + y * luma, codes / 2.0 + cb * chroma, codes / 2.0 + cr * chroma]
            .map(f64::round);
        let mut bytes = Vec::new();
        for (n, code) in stored.into_iter().enumerate() {
            let (width, height) = form.plane(n);
            let code = (code as u16).to_le_bytes();
            (0..width * height).for_each(|_| bytes.extend_from_slice(&code[..form.sample()]));
        }
        let [y, cb, cr] = [
            (stored[0] - black) / luma,
            (stored[1] - codes / 2.0) / chroma,
            (stored[2] - codes / 2.0) / chroma,
        ];
        let (red, blue) =
            if form.colours.matrix == Matrix::Bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
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

    /// Flat colours of every sample form, field order, file format, scale and crop are that colour in every pixel.
    #[test]
    fn flat_picture_keeps_its_colour_in_every_pixel() {
        let crop = Some(Crop { x: 5, y: 3, width: 61, height: 55 });
        let half = Some(Scale { width: 45, height: None });
        let odd = Some(Scale { width: 64, height: None });
        let looks = [(None, None), (None, half), (None, odd), (crop, None), (crop, odd)];
        let colours = [[0.5, 0.0, 0.0], [0.45, 0.12, -0.1], [0.4, -0.08, 0.15]];
        for form in forms() {
            for colour in colours {
                let (samples, expected) = flat(&form, colour);
                for format in [Format::Jpeg, Format::Png, Format::Webp, Format::WebpLossless] {
                    for (crop, scale) in looks {
                        let look = OutputOptions { format, crop, scale, thumbnails: None };
                        let mut painter = Painter::new(look, 100);
                        let painted = painter.paint(&samples, &form, &ORIGIN).unwrap();
                        let pixels = decode(&painted.bytes, format);
                        let off = |(n, value): (usize, &u8)| {
                            (f64::from(*value) - expected[n % 3]).abs() > 2.0
                        };
                        let wrong = pixels.iter().enumerate().find(|pair| off(*pair));
                        assert_eq!(wrong, None, "{form:?} {look:?} of {expected:?}");
                    }
                }
            }
        }
    }
}
