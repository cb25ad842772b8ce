//! Converts samples directly to those of JPEG, without RGB in between: full-range BT.601 luma and
//! chroma (JFIF 1.02).
//!
//! Chroma of half the width and height stays that size. JFIF places it in the middle of four
//! pixels, MPEG at their left; so it is moved by half a pixel horizontally.

use multiversion::multiversion;

use super::{
    colour::{Scale, code},
    format::Transfer,
    geometry::SampleGrid,
    planes::Planes,
};

/// Weight of red in the luma of JFIF, which is that of BT.601.
const RED: f32 = 0.299;
/// Weight of blue.
const BLUE: f32 = 0.114;
/// Weight of green.
const GREEN: f32 = 1.0 - RED - BLUE;

/// Picture for the JPEG encoder, with chroma of half the width and height.
#[derive(Debug)]
pub(crate) struct Ycc {
    pub width: u32,
    pub height: u32,
    pub luma: Vec<u8>,
    /// Blue and red chroma, a sample for two by two pixels each.
    pub chroma: [Vec<u8>; 2],
}

impl Ycc {
    /// Converts the pixels of `grid`; `None` if chroma is finer than half size, or the dynamic
    /// range is high.
    pub(crate) fn of(planes: &Planes<'_>, grid: SampleGrid) -> Option<Self> {
        let among = grid.in_plane(planes.format, 1);
        let coarse = among.across.step.max(among.down.step) < 0.5 + 1e-6;
        if !coarse || planes.format.colours.transfer != Transfer::Sdr {
            return None;
        }
        let mix = Mix::new(Scale::new(planes.format));
        Some(Self {
            width: grid.across.count as u32,
            height: grid.down.count as u32,
            luma: mix.luma(planes, grid),
            chroma: mix.chroma(planes, grid),
        })
    }
}

/// Shares of the stream's chroma in JFIF's luma, which weighs red and blue differently than BT.709.
struct Mix {
    scale: Scale,
    blue: f32,
    red: f32,
}

impl Mix {
    fn new(scale: Scale) -> Self {
        let [blue, red] = [BLUE - GREEN * scale.green_cb, RED - GREEN * scale.green_cr];
        // A share this small is a rounding error of equal weights.
        let own = |share: f32| if share.abs() < 1e-6 { 0.0 } else { share };
        Self { scale, blue: own(blue), red: own(red) }
    }

    fn luma(&self, planes: &Planes<'_>, grid: SampleGrid) -> Vec<u8> {
        let scale = &self.scale;
        let (width, height) = (grid.across.count, grid.down.count);
        let (unit, least) = (255.0 * scale.range, -255.0 * scale.range * scale.black);
        let mut luma = vec![0; width * height];
        let mut ys = planes.plane(0, grid);
        let rows = luma.chunks_exact_mut(width);
        if self.blue == 0.0 && self.red == 0.0 {
            for row in rows {
                codes(row, ys.next_row(), unit, least);
            }
            return luma;
        }
        let (cb, cr) = (255.0 * self.blue * scale.from_cb, 255.0 * self.red * scale.from_cr);
        let least = least - (cb + cr) * scale.grey;
        // Mixing both before scaling them to full size halves the work.
        let mut mixed = planes.mixed_chroma(grid, [cb, cr]);
        for row in rows {
            mixed_codes(row, ys.next_row(), mixed.next_row(), unit, least);
        }
        luma
    }

    fn chroma(&self, planes: &Planes<'_>, grid: SampleGrid) -> [Vec<u8>; 2] {
        let Scale { grey, from_cb, from_cr, .. } = self.scale;
        let half = SampleGrid { across: grid.across.halved(), down: grid.down.halved() };
        let size = half.across.count * half.down.count;
        let mut chroma = [vec![0; size], vec![0; size]];
        let (mut cbs, mut crs) = (planes.plane(1, half), planes.plane(2, half));
        // Blue minus luma, divided by its largest range; red likewise.
        let (for_blue, for_red) = (255.0 / (2.0 - 2.0 * BLUE), 255.0 / (2.0 - 2.0 * RED));
        let blue = [for_blue * (1.0 - self.blue) * from_cb, -for_blue * self.red * from_cr];
        let red = [-for_red * self.blue * from_cb, for_red * (1.0 - self.red) * from_cr];
        let [blues, reds] = &mut chroma;
        let width = half.across.count;
        for (blues, reds) in blues.chunks_exact_mut(width).zip(reds.chunks_exact_mut(width)) {
            let samples = cbs.next_row().iter().zip(crs.next_row());
            for ((to_blue, to_red), (cb, cr)) in blues.iter_mut().zip(reds).zip(samples) {
                let (cb, cr) = (cb - grey, cr - grey);
                *to_blue = code(blue[0] * cb + blue[1] * cr + 128.0);
                *to_red = code(red[0] * cb + red[1] * cr + 128.0);
            }
        }
        chroma
    }
}

// Loops, not closures: a closure is compiled for the CPU features of the place where it is written,
// and is not inlined into code for others.

/// Writes the code of `unit` × sample + `least` for each sample.
#[multiversion(targets("x86_64+avx2"))]
fn codes(row: &mut [u8], samples: &[f32], unit: f32, least: f32) {
    for (to, sample) in row.iter_mut().zip(samples) {
        *to = code(sample * unit + least);
    }
}

/// Writes the same with `mixed` added.
#[multiversion(targets("x86_64+avx2"))]
fn mixed_codes(row: &mut [u8], samples: &[f32], mixed: &[f32], unit: f32, least: f32) {
    for ((to, sample), mixed) in row.iter_mut().zip(samples).zip(mixed) {
        *to = code(sample * unit + mixed + least);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        format::{Colours, FrameFormat, Matrix, Samples},
        options::OutputOptions,
        rgb::Rgb,
    };
    use super::*;

    fn format(width: u32, colours: Colours) -> FrameFormat {
        let samples = Samples { chroma: (1, 1), depth: 8 };
        FrameFormat { width, height: 4, aspect: (1, 1), samples, field: None, colours }
    }

    /// Converts RGB by JFIF 1.02, "Conversion to and from RGB".
    fn jfif(rgb: [u8; 3]) -> [u8; 3] {
        let [r, g, b] = rgb.map(f64::from);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        [y, (b - y) / 1.772 + 128.0, (r - y) / 1.402 + 128.0].map(|code| code.round() as u8)
    }

    #[test]
    fn direct_conversion_matches_conversion_through_rgb() {
        let matrices = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240];
        for (matrix, full) in matrices.into_iter().flat_map(|m| [(m, false), (m, true)]) {
            let format = format(7, Colours { full, matrix, transfer: Transfer::Sdr });
            for [y, cb, cr] in [[120, 128, 128], [100, 90, 160], [180, 150, 120], [60, 140, 110]] {
                let mut bytes = vec![y; 28];
                bytes.extend([[cb; 8], [cr; 8]].concat());
                let planes = Planes::new(&bytes, &format);
                let grid = SampleGrid::of(&format, &OutputOptions::default()).unwrap();
                let ycc = Ycc::of(&planes, grid).unwrap();
                let rgb = Rgb::of(&planes, grid).pixels;
                let [y, blue, red] = jfif([rgb[0], rgb[1], rgb[2]]);
                let near = |found: &[u8], one: u8| found.iter().all(|code| code.abs_diff(one) <= 1);
                assert!(near(&ycc.luma, y), "{matrix:?}, {full}: {:?}, {y}", ycc.luma);
                assert!(near(&ycc.chroma[0], blue), "{matrix:?}, {full}: {:?}", ycc.chroma);
                assert!(near(&ycc.chroma[1], red), "{matrix:?}, {full}: {:?}", ycc.chroma);
            }
        }
    }

    #[test]
    fn chroma_is_moved_to_the_middle_of_its_pixels() {
        let colours = Colours { full: true, matrix: Matrix::Bt601, transfer: Transfer::Sdr };
        let format = format(64, colours);
        let ramp = (0..64).map(|n| 60 + 4 * (n % 32));
        let bytes: Vec<u8> = [100; 256].into_iter().chain(ramp.clone()).chain(ramp).collect();
        let grid = SampleGrid::of(&format, &OutputOptions::default()).unwrap();
        let ycc = Ycc::of(&Planes::new(&bytes, &format), grid).unwrap();
        // A quarter of a sample to the right.
        let expected: Vec<u8> = (1..31).map(|n| 60 + 4 * n + 1).collect();
        assert_eq!(ycc.chroma[0][1..31], expected);
        assert_eq!(ycc.chroma[1][33..63], expected);
    }
}
