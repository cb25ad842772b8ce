//! Pictures: what the decoder gives in, files out.
//!
//! The decoder gives samples as the stream has them. What they mean is different from picture to picture: which range and
//! matrix, one field or two, square pixels or not. It is known only when the picture is there, too late for a
//! filter graph that has to be written before the first byte. So they are made into RGB here, and only those that are kept.

mod colour;
mod encode;
mod form;
mod look;
mod place;
mod resample;
mod rows;
mod xmp;

use anyhow::Result;
use cht_core::report;

use form::Transfer;
use place::Place;
use resample::resample;
use rows::Plane;

pub(crate) use form::{Form, field, formats};
pub(crate) use look::{Format, Look};
pub(crate) use xmp::Origin;

/// Packed 8-bit RGB.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        let (Rgb { width, height, .. }, bytes) = self.file(samples, form, &self.look, &xmp)?;
        let thumbnail = self.look.thumbnail();
        let thumbnail = thumbnail.map(|look| self.file(samples, form, &look, &xmp)).transpose()?;
        self.warn(form);
        Ok(Encoded { bytes, width, height, thumbnail: thumbnail.map(|(_, bytes)| bytes) })
    }

    fn file(&self, samples: &[u8], form: &Form, look: &Look, xmp: &str) -> Result<(Rgb, Vec<u8>)> {
        let picture = render(samples, form, look);
        let bytes = encode::encode(&picture, look.format, self.quality, xmp)?;
        Ok((picture, bytes))
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

/// Makes RGB of the decoder's samples. A crop that holds nothing is left out.
fn render(samples: &[u8], form: &Form, look: &Look) -> Rgb {
    let place = Place::of(form, look).or_else(|| Place::of(form, &Look { crop: None, ..*look }));
    let Some(place) = place else { return Rgb { pixels: Vec::new(), width: 0, height: 0 } };
    let mut rest = samples;
    let planes = [0, 1, 2].map(|n| {
        let (plane, behind) = Plane::split(rest, form, n);
        rest = behind;
        let Place { across, down } = place.in_plane(form, n);
        let (width, height) = plane.size();
        match form.field {
            None => resample((width, height), |y, row| plane.row(y, row), across, down),
            Some(field) if n == 0 => {
                resample((width, height), |y, row| plane.still_row(field, y, row), across, down)
            }
            Some(field) => {
                let size = (width, plane.field_height(field));
                resample(size, |y, row| plane.field_row(field, y, row), across, down)
            }
        }
    });
    Rgb {
        pixels: colour::to_rgb(&planes, form),
        width: place.across.count as u32,
        height: place.down.count as u32,
    }
}
