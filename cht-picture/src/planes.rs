//! Planes of a decoded picture, resampled to pixels.

use super::{format::FrameFormat, geometry::SampleGrid, plane::Plane, resample::Resampler};

/// Decoded picture.
#[derive(Debug)]
pub(crate) struct Planes<'a> {
    pub format: &'a FrameFormat,
    planes: [Plane<'a>; 3],
}

impl<'a> Planes<'a> {
    /// Splits `samples` into the three planes.
    pub(crate) fn new(samples: &'a [u8], format: &'a FrameFormat) -> Self {
        let mut rest = samples;
        let planes = [0, 1, 2].map(|n| {
            let (plane, after) = Plane::split(rest, format, n);
            rest = after;
            plane
        });
        Self { format, planes }
    }

    /// Returns the rows of plane `n`, resampled to `grid`.
    pub(crate) fn plane(
        &self,
        n: usize,
        grid: SampleGrid,
    ) -> Resampler<impl FnMut(usize, &mut [f32])> {
        let (plane, field) = (self.planes[n], self.format.field);
        let SampleGrid { across, down } = grid.in_plane(self.format, n);
        let row = move |y: usize, row: &mut [f32]| match field {
            None => plane.row(y, row),
            Some(field) if n == 0 => plane.deinterlaced_row(field, y, row),
            Some(field) => plane.field_row(field, y, row),
        };
        Resampler::new(self.size(n), row, across, down)
    }

    /// Returns the rows of both chroma planes, weighted, added and resampled to `grid`.
    pub(crate) fn mixed_chroma(
        &self,
        grid: SampleGrid,
        [blue, red]: [f32; 2],
    ) -> Resampler<impl FnMut(usize, &mut [f32])> {
        let ([_, cb, cr], field) = (self.planes, self.format.field);
        let SampleGrid { across, down } = grid.in_plane(self.format, 1);
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

    /// Returns width and height of the samples that plane `n` is resampled from: for interlaced
    /// chroma, those of the first field.
    fn size(&self, n: usize) -> (usize, usize) {
        let (width, height) = self.planes[n].size();
        match self.format.field {
            Some(field) if n > 0 => (width, self.planes[n].field_height(field)),
            _ => (width, height),
        }
    }
}
