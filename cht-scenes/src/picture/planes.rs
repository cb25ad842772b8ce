//! The decoder's samples, plane by plane, on their way to pixels.

use super::{format::FrameFormat, geometry::SampleGrid, plane::Plane, resample::Resampler};

/// A picture as it came from the decoder.
#[derive(Debug)]
pub(crate) struct Planes<'a> {
    pub form: &'a FrameFormat,
    planes: [Plane<'a>; 3],
}

impl<'a> Planes<'a> {
    /// `samples` holds the three planes, one behind the other.
    pub(crate) fn new(samples: &'a [u8], form: &'a FrameFormat) -> Self {
        let mut rest = samples;
        let planes = [0, 1, 2].map(|n| {
            let (plane, behind) = Plane::split(rest, form, n);
            rest = behind;
            plane
        });
        Self { form, planes }
    }

    /// The pixels at `place` as plane `n` has them, row by row.
    pub(crate) fn plane(
        &self,
        n: usize,
        place: SampleGrid,
    ) -> Resampler<impl FnMut(usize, &mut [f32])> {
        let (plane, field) = (self.planes[n], self.form.field);
        let SampleGrid { across, down } = place.in_plane(self.form, n);
        let row = move |y: usize, row: &mut [f32]| match field {
            None => plane.row(y, row),
            Some(field) if n == 0 => plane.still_row(field, y, row),
            Some(field) => plane.field_row(field, y, row),
        };
        Resampler::new(self.size(n), row, across, down)
    }

    /// The same of both planes of chroma, so much of each.
    pub(crate) fn mixed_chroma(
        &self,
        place: SampleGrid,
        [blue, red]: [f32; 2],
    ) -> Resampler<impl FnMut(usize, &mut [f32])> {
        let ([_, cb, cr], field) = (self.planes, self.form.field);
        let SampleGrid { across, down } = place.in_plane(self.form, 1);
        let mut other = vec![0.0; cr.size().0];
        let row = move |y: usize, row: &mut [f32]| {
            let read = |plane: Plane<'_>, row: &mut [f32]| match field {
                None => plane.row(y, row),
                Some(field) => plane.field_row(field, y, row),
            };
            read(cb, row);
            read(cr, &mut other);
            row.iter_mut().zip(&other).for_each(|(cb, cr)| *cb = blue * *cb + red * cr);
        };
        Resampler::new(self.size(1), row, across, down)
    }

    /// Samples in a row, and rows, of what plane `n` is made of: chroma is that of the first field.
    fn size(&self, n: usize) -> (usize, usize) {
        let (width, height) = self.planes[n].size();
        match self.form.field {
            Some(field) if n > 0 => (width, self.planes[n].field_height(field)),
            _ => (width, height),
        }
    }
}
