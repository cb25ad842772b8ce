//! Packed RGB, for file formats that store it and for JPEG with full-size chroma.

use super::{colour::ToRgb, geometry::SampleGrid, planes::Planes};

/// Packed 8-bit RGB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub pixels: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

impl Rgb {
    /// Converts the pixels of `grid`.
    pub(crate) fn of(planes: &Planes<'_>, grid: SampleGrid) -> Self {
        let (width, height) = (grid.across.count, grid.down.count);
        let to_rgb = ToRgb::new(planes.format);
        let mut pixels = vec![0; width * height * 3];
        let mut luma = planes.plane(0, grid);
        let (mut blue, mut red) = (planes.plane(1, grid), planes.plane(2, grid));
        for row in pixels.chunks_exact_mut(width * 3) {
            to_rgb.row([luma.next_row(), blue.next_row(), red.next_row()], row);
        }
        Self { pixels, width: width as u32, height: height as u32 }
    }
}
