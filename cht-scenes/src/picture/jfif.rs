//! Samples as JPEG has them, without the way over RGB and back: luma and chroma of BT.601 in full range (JFIF 1.02).
//!
//! Chroma of half the width and height stays so. JFIF has it in the middle of four pixels, MPEG at their left; so it is
//! moved by half a pixel, and taken as it is from row to row.

use multiversion::multiversion;

use super::{
    colour::{Scale, code},
    format::Transfer,
    geometry::SampleGrid,
    planes::Planes,
};

/// What red and blue count for in the luma of JFIF, that of BT.601, and green.
const RED: f32 = 0.299;
const BLUE: f32 = 0.114;
const GREEN: f32 = 1.0 - RED - BLUE;

/// A picture for the JPEG encoder.
#[derive(Debug)]
pub(crate) struct Ycc {
    pub width: u32,
    pub height: u32,
    pub luma: Vec<u8>,
    /// Blue and red, each for two pixels by two.
    pub chroma: [Vec<u8>; 2],
}

impl Ycc {
    /// The picture at `place`; `None` where its chroma is finer than half, or its range is not that of a screen.
    pub(crate) fn of(source: &Planes<'_>, place: SampleGrid) -> Option<Self> {
        let among = place.in_plane(source.form, 1);
        let coarse = among.across.step.max(among.down.step) < 0.5 + 1e-6;
        if !coarse || source.form.colours.transfer != Transfer::Sdr {
            return None;
        }
        let mix = Mix::new(Scale::new(source.form));
        Some(Self {
            width: place.across.count as u32,
            height: place.down.count as u32,
            luma: mix.luma(source, place),
            chroma: mix.chroma(source, place),
        })
    }
}

/// What of the stream's chroma goes into JFIF's luma, which counts red and blue otherwise than BT.709.
struct Mix {
    scale: Scale,
    blue: f32,
    red: f32,
}

impl Mix {
    fn new(scale: Scale) -> Self {
        let [blue, red] = [BLUE - GREEN * scale.green_cb, RED - GREEN * scale.green_cr];
        // The same luma but for rounding.
        let own = |share: f32| if share.abs() < 1e-6 { 0.0 } else { share };
        Self { scale, blue: own(blue), red: own(red) }
    }

    fn luma(&self, source: &Planes<'_>, place: SampleGrid) -> Vec<u8> {
        let scale = &self.scale;
        let (width, height) = (place.across.count, place.down.count);
        let (unit, least) = (255.0 * scale.range, -255.0 * scale.range * scale.black);
        let mut luma = vec![0; width * height];
        let mut ys = source.plane(0, place);
        let rows = luma.chunks_exact_mut(width);
        if self.blue == 0.0 && self.red == 0.0 {
            for row in rows {
                codes(row, ys.next_row(), unit, least);
            }
            return luma;
        }
        let (cb, cr) = (255.0 * self.blue * scale.from_cb, 255.0 * self.red * scale.from_cr);
        let least = least - (cb + cr) * scale.grey;
        // Both are mixed before they are brought to full size, which is half of the work.
        let mut mixed = source.mixed_chroma(place, [cb, cr]);
        for row in rows {
            mixed_codes(row, ys.next_row(), mixed.next_row(), unit, least);
        }
        luma
    }

    fn chroma(&self, source: &Planes<'_>, place: SampleGrid) -> [Vec<u8>; 2] {
        let Scale { grey, from_cb, from_cr, .. } = self.scale;
        let half = SampleGrid { across: place.across.halved(), down: place.down.halved() };
        let size = half.across.count * half.down.count;
        let mut chroma = [vec![0; size], vec![0; size]];
        let (mut cbs, mut crs) = (source.plane(1, half), source.plane(2, half));
        // Blue less luma, of what may be twice what luma leaves; red likewise.
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

// Loops, and no closures: a closure has the processor's features of where it is written, and what is not compiled for these does
// not take it in.

/// The code of `unit` times each sample, and `least`.
#[multiversion(targets("x86_64+avx2"))]
fn codes(row: &mut [u8], samples: &[f32], unit: f32, least: f32) {
    for (to, sample) in row.iter_mut().zip(samples) {
        *to = code(sample * unit + least);
    }
}

/// The same with what is mixed in.
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

    fn form(width: u32, colours: Colours) -> FrameFormat {
        let samples = Samples { chroma: (1, 1), depth: 8 };
        FrameFormat { width, height: 4, aspect: (1, 1), samples, field: None, colours }
    }

    /// JFIF 1.02, "Conversion to and from RGB".
    fn jfif(rgb: [u8; 3]) -> [u8; 3] {
        let [r, g, b] = rgb.map(f64::from);
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        [y, (b - y) / 1.772 + 128.0, (r - y) / 1.402 + 128.0].map(|code| code.round() as u8)
    }

    #[test]
    fn one_colour_is_that_of_the_way_over_rgb() {
        let matrices = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020, Matrix::Smpte240];
        for (matrix, full) in matrices.into_iter().flat_map(|m| [(m, false), (m, true)]) {
            let form = form(7, Colours { full, matrix, transfer: Transfer::Sdr });
            for [y, cb, cr] in [[120, 128, 128], [100, 90, 160], [180, 150, 120], [60, 140, 110]] {
                let mut bytes = vec![y; 28];
                bytes.extend([[cb; 8], [cr; 8]].concat());
                let source = Planes::new(&bytes, &form);
                let place = SampleGrid::of(&form, &OutputOptions::default()).unwrap();
                let ycc = Ycc::of(&source, place).unwrap();
                let rgb = Rgb::of(&source, place).pixels;
                let [y, blue, red] = jfif([rgb[0], rgb[1], rgb[2]]);
                let near = |found: &[u8], one: u8| found.iter().all(|code| code.abs_diff(one) <= 1);
                assert!(near(&ycc.luma, y), "{matrix:?}, {full}: {:?}, {y}", ycc.luma);
                assert!(near(&ycc.chroma[0], blue), "{matrix:?}, {full}: {:?}", ycc.chroma);
                assert!(near(&ycc.chroma[1], red), "{matrix:?}, {full}: {:?}", ycc.chroma);
            }
        }
    }

    #[test]
    fn chroma_moves_to_the_middle_of_its_pixels() {
        let colours = Colours { full: true, matrix: Matrix::Bt601, transfer: Transfer::Sdr };
        let form = form(64, colours);
        let ramp = (0..64).map(|n| 60 + 4 * (n % 32));
        let bytes: Vec<u8> = [100; 256].into_iter().chain(ramp.clone()).chain(ramp).collect();
        let place = SampleGrid::of(&form, &OutputOptions::default()).unwrap();
        let ycc = Ycc::of(&Planes::new(&bytes, &form), place).unwrap();
        // A quarter of a sample to the right of where it was.
        let expected: Vec<u8> = (1..31).map(|n| 60 + 4 * n + 1).collect();
        assert_eq!(ycc.chroma[0][1..31], expected);
        assert_eq!(ycc.chroma[1][33..63], expected);
    }
}
