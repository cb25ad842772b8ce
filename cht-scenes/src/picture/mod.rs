//! Pictures: what the decoder gives in, files out.
//!
//! The decoder gives samples as the stream has them. What they mean is different from picture to picture: which range and
//! matrix, one field or two, square pixels or not. It is known only when the picture is there, too late for a
//! filter graph that has to be written before the first byte. So they are made into pixels here, and only those that are kept.

mod colour;
mod encode;
mod form;
mod look;
mod place;
mod resample;
mod rows;
mod source;
mod xmp;
mod ycc;

use anyhow::Result;
use cht_core::report;

use colour::ToRgb;
use form::Transfer;
use place::Place;
use source::Source;
use ycc::Ycc;

pub(crate) use form::{Form, field, formats};
pub(crate) use look::{Format, Look};
pub(crate) use xmp::Origin;

/// Packed 8-bit RGB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub pixels: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

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
    look: Look,
    quality: u8,
    /// What was said about the stream.
    said_crop: bool,
    said_range: bool,
}

impl Painter {
    pub(crate) fn new(look: Look, quality: u8) -> Self {
        Self { look, quality, said_crop: false, said_range: false }
    }

    /// Makes the files of one picture.
    pub(crate) fn paint(
        &mut self,
        samples: &[u8],
        form: &Form,
        origin: &Origin<'_>,
    ) -> Result<Encoded> {
        let xmp = xmp::packet(origin);
        let source = Source::new(samples, form);
        let mut painted = self.file(&source, &self.look, &xmp)?;
        if let Some(look) = self.look.thumbnail() {
            painted.thumbnail = Some(self.file(&source, &look, &xmp)?.bytes);
        }
        self.warn(form);
        Ok(painted)
    }

    fn file(&self, source: &Source<'_>, look: &Look, xmp: &str) -> Result<Encoded> {
        let place = place(source.form, look);
        let direct = place.filter(|_| look.format == Format::Jpeg);
        if let Some(picture) = direct.and_then(|place| Ycc::of(source, place)) {
            let bytes = encode::coarse_jpeg(&picture, self.quality, xmp)?;
            let Ycc { width, height, .. } = picture;
            return Ok(Encoded { bytes, width, height, thumbnail: None });
        }
        let picture = place.map_or_else(Rgb::default, |place| render(source, place));
        let bytes = encode::encode(&picture, look.format, self.quality, xmp)?;
        let Rgb { width, height, .. } = picture;
        Ok(Encoded { bytes, width, height, thumbnail: None })
    }

    /// Says once what may surprise in pictures of this stream.
    fn warn(&mut self, form: &Form) {
        if !self.said_crop && Place::of(form, &self.look).is_none() {
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
fn place(form: &Form, look: &Look) -> Option<Place> {
    Place::of(form, look).or_else(|| Place::of(form, &Look { crop: None, ..*look }))
}

/// Makes RGB of the decoder's samples.
fn render(source: &Source<'_>, place: Place) -> Rgb {
    let (width, height) = (place.across.count, place.down.count);
    let to_rgb = ToRgb::new(source.form);
    let mut pixels = vec![0; width * height * 3];
    let mut luma = source.plane(0, place);
    let (mut blue, mut red) = (source.plane(1, place), source.plane(2, place));
    for row in pixels.chunks_exact_mut(width * 3) {
        to_rgb.row([luma.next_row(), blue.next_row(), red.next_row()], row);
    }
    Rgb { pixels, width: width as u32, height: height as u32 }
}
