//! Reads rows of a plane as numbers, of any sample width, and deinterlaces the rows of two fields.

use multiversion::multiversion;

use super::format::{Field, FrameFormat};

/// Largest difference of a sample of the second field from its neighbours, in codes of 256; a
/// larger one is taken for motion.
const MOTION_MARGIN: f32 = 6.0;

/// Plane of a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane<'a> {
    bytes: &'a [u8],
    width: usize,
    height: usize,
    /// Size of a sample, in bytes.
    sample: usize,
    /// Code values per 8-bit code.
    unit: f32,
}

impl<'a> Plane<'a> {
    /// Returns plane `n` at the start of `bytes`, and the bytes after it.
    pub(crate) fn split(bytes: &'a [u8], format: &FrameFormat, n: usize) -> (Self, &'a [u8]) {
        let (width, height) = format.plane(n);
        let sample = format.sample();
        let unit = (1_u32 << (format.samples.depth - 8)) as f32;
        let (bytes, rest) = bytes.split_at(width * height * sample);
        (Self { bytes, width, height, sample, unit }, rest)
    }

    /// Returns width and height, in samples.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Reads row `y`.
    pub(crate) fn row(&self, y: usize, row: &mut [f32]) {
        let length = self.width * self.sample;
        let bytes = &self.bytes[y * length..][..length];
        if self.sample == 1 {
            widen(row, bytes);
        } else {
            let pairs = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
            row.iter_mut().zip(pairs).for_each(|(to, from)| *to = f32::from(from));
        }
    }

    /// Returns the number of rows of a field.
    pub(crate) fn field_height(&self, field: Field) -> usize {
        match field {
            Field::Top => self.height.div_ceil(2),
            // A single row has no second field.
            Field::Bottom => (self.height / 2).max(1),
        }
    }

    /// Reads row `y` of a field.
    pub(crate) fn field_row(&self, field: Field, y: usize, row: &mut [f32]) {
        self.row((2 * y + field.first_row()).min(self.height - 1), row);
    }

    /// Reads row `y` of a picture at the time of `field`: rows of that field as they are, and
    /// between them the other field's samples where nothing moved, interpolated ones elsewhere.
    ///
    /// It uses no other picture: the decoder outputs single ones.
    pub(crate) fn deinterlaced_row(&self, field: Field, y: usize, row: &mut [f32]) {
        self.row(y, row);
        if y % 2 == field.first_row() {
            return;
        }
        let neighbour = |distance: isize| {
            let mut neighbour = vec![0.0; self.width];
            // Outside of the picture, the field's nearest row.
            let (mut at, last) = (y as isize + distance, self.height as isize - 1);
            while at < 0 {
                at += 2;
            }
            while at > last {
                at -= 2;
            }
            self.row(at.clamp(0, last) as usize, &mut neighbour);
            neighbour
        };
        let [above, up, down, below] = [-3, -1, 1, 3].map(neighbour);
        let margin = MOTION_MARGIN * self.unit;
        for (x, sample) in row.iter_mut().enumerate() {
            let (up, down) = (up[x], down[x]);
            if *sample < up.min(down) - margin || *sample > up.max(down) + margin {
                *sample = (9.0 * (up + down) - above[x] - below[x]) / 16.0;
            }
        }
    }
}

/// Converts 8-bit samples to numbers.
#[multiversion(targets("x86_64+avx2"))]
fn widen(row: &mut [f32], bytes: &[u8]) {
    for (to, from) in row.iter_mut().zip(bytes) {
        *to = f32::from(*from);
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{Colours, Matrix, Samples, Transfer};
    use super::*;

    /// A bright bar on grey has moved between the fields.
    #[test]
    fn object_moved_between_fields_is_shown_once() {
        let format = FrameFormat {
            width: 8,
            height: 9,
            aspect: (1, 1),
            samples: Samples { chroma: (0, 0), depth: 8 },
            field: Some(Field::Top),
            colours: Colours { full: false, matrix: Matrix::Bt601, transfer: Transfer::Sdr },
        };
        let mut bytes = vec![50; format.bytes()];
        (0..9).for_each(|y| bytes[y * 8 + if y % 2 == 0 { 2 } else { 5 }] = 200);
        for (field, bar) in [(Field::Top, 2), (Field::Bottom, 5)] {
            let (plane, _) = Plane::split(&bytes, &format, 0);
            for y in 0..9 {
                let mut row = [0.0; 8];
                plane.deinterlaced_row(field, y, &mut row);
                let mut expected = [50; 8];
                expected[bar] = 200;
                assert_eq!(row.map(|sample| sample as i32), expected, "{field:?}, row {y}");
            }
            assert_eq!(plane.field_height(field), if field == Field::Top { 5 } else { 4 });
        }
    }
}
