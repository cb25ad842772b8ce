//! Maps the pixels of a picture to the decoder's samples: square pixels, crop, scale, fields and
//! chroma.

use super::{
    format::{Field, FrameFormat},
    options::OutputOptions,
    resample::Axis,
};

/// Grid of a picture's pixels among the samples of a plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SampleGrid {
    pub across: Axis,
    pub down: Axis,
}

impl SampleGrid {
    /// Returns the pixels that `options` ask for, among the samples of luma; `None` if the crop
    /// lies outside.
    pub(crate) fn of(format: &FrameFormat, options: &OutputOptions) -> Option<Self> {
        let (stored, height) = (f64::from(format.width), f64::from(format.height));
        // Square pixels, at the same height.
        let width =
            (stored * f64::from(format.aspect.0) / f64::from(format.aspect.1)).round().max(1.0);
        let part = |from: u32, length: u32, whole: f64| {
            let (from, end) = (f64::from(from), (f64::from(from) + f64::from(length)).min(whole));
            (end > from).then_some((from, end - from))
        };
        let ((left, wide), (top, high)) = match options.crop {
            Some(crop) => (part(crop.x, crop.width, width)?, part(crop.y, crop.height, height)?),
            None => ((0.0, width), (0.0, height)),
        };
        let most = f64::from(options.format.largest());
        let limit = |asked: Option<u32>| asked.map_or(most, |asked| f64::from(asked).min(most));
        let (widest, highest) =
            (limit(options.scale.map(|s| s.width)), limit(options.scale.and_then(|s| s.height)));
        let factor = (widest / wide).min(highest / high).min(1.0);
        let count = |length: f64| (length * factor).round().max(1.0) as usize;
        let stretch = stored / width;
        Some(Self {
            across: Axis::over(left * stretch, wide * stretch, count(wide)),
            down: Axis::over(top, high, count(high)),
        })
    }

    /// Returns the same pixels among the samples of plane `n`; for interlaced chroma, among those
    /// of the first field.
    ///
    /// Chroma lies at the left of its pixels and between its rows (ISO/IEC 13818-2 figure 6-1);
    /// that of a field a quarter of a row nearer to the field's own rows (figure 6-2).
    pub(crate) fn in_plane(self, format: &FrameFormat, n: usize) -> Self {
        if n == 0 {
            return self;
        }
        let Self { mut across, mut down } = self;
        if format.samples.chroma.0 > 0 {
            across = across.among(0.0, 2.0);
        }
        let (row, between) = match format.field {
            None => (None, 0.5),
            Some(field @ Field::Top) => (Some(field.first_row()), 0.25),
            Some(field @ Field::Bottom) => (Some(field.first_row()), 0.75),
        };
        if let Some(row) = row {
            down = down.among(row as f64, 2.0);
        }
        if format.samples.chroma.1 > 0 {
            down = down.among(between, 2.0);
        }
        Self { across, down }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        format::{Colours, Matrix, Samples, Transfer},
        options::{Crop, Format, Scale},
    };
    use super::*;

    fn format(width: u32, height: u32, aspect: (u32, u32)) -> FrameFormat {
        FrameFormat {
            width,
            height,
            aspect,
            samples: Samples { chroma: (1, 1), depth: 8 },
            field: None,
            colours: Colours { full: false, matrix: Matrix::Bt601, transfer: Transfer::Sdr },
        }
    }

    fn size(format: &FrameFormat, options: &OutputOptions) -> (usize, usize) {
        let grid = SampleGrid::of(format, options).unwrap();
        (grid.across.count, grid.down.count)
    }

    #[test]
    fn anamorphic_picture_gets_square_pixels_and_keeps_its_shape() {
        let wide = format(704, 576, (16, 11));
        assert_eq!(size(&wide, &OutputOptions::default()), (1024, 576));
        let scale = |width, height| OutputOptions {
            scale: Some(Scale { width, height }),
            ..OutputOptions::default()
        };
        assert_eq!(size(&wide, &scale(512, None)), (512, 288));
        assert_eq!(size(&wide, &scale(512, Some(144))), (256, 144));
        assert_eq!(size(&wide, &scale(4000, None)), (1024, 576), "never larger");
        let crop = OutputOptions {
            crop: Some(Crop { x: 1000, y: 0, width: 100, height: 10 }),
            ..scale(12, None)
        };
        assert_eq!(size(&wide, &crop), (12, 5), "24 by 10 are inside");
        let outside = OutputOptions {
            crop: Some(Crop { x: 1024, y: 0, width: 1, height: 1 }),
            ..OutputOptions::default()
        };
        assert_eq!(SampleGrid::of(&wide, &outside), None);
        let webp = OutputOptions { format: Format::Webp, ..OutputOptions::default() };
        assert_eq!(size(&format(32_766, 2, (1, 1)), &webp), (16_383, 1));
    }

    #[test]
    fn chroma_and_field_positions_match_the_standard() {
        let mut format = format(8, 8, (1, 1));
        let grid = SampleGrid::of(&format, &OutputOptions::default()).unwrap();
        let at = |grid: SampleGrid| (grid.across.first, grid.down.first, grid.down.step);
        assert_eq!(at(grid.in_plane(&format, 0)), (0.0, 0.0, 1.0));
        assert_eq!(at(grid.in_plane(&format, 1)), (0.0, -0.25, 0.5));
        format.field = Some(Field::Top);
        assert_eq!(at(grid.in_plane(&format, 1)), (0.0, -0.125, 0.25));
        format.field = Some(Field::Bottom);
        assert_eq!(at(grid.in_plane(&format, 1)), (0.0, -0.625, 0.25));
    }
}
