//! One plane of samples onto a grid of pixels.
//!
//! A pixel's place among the samples is an affine function of its number, on each axis. So one resampling does what would
//! else be many: chroma to full size, a field to a picture, square pixels, crop and scale; nothing is resampled twice.

use std::{collections::VecDeque, ops::Range};

use multiversion::multiversion;

/// Where pixels lie among the samples of a plane: pixel `i` at sample `first + i · step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    pub first: f64,
    pub step: f64,
    /// How many pixels.
    pub count: usize,
}

impl Axis {
    /// `count` pixels over `length` samples from the edge `from` on.
    pub(crate) fn over(from: f64, length: f64, count: usize) -> Self {
        let step = length / count as f64;
        Self { first: from + (step - 1.0) / 2.0, step, count }
    }

    /// The same pixels among samples of which number 0 lies at `at`, and each further one `distance` on.
    pub(crate) fn among(self, at: f64, distance: f64) -> Self {
        Self { first: (self.first - at) / distance, step: self.step / distance, ..self }
    }

    /// The middles of each two pixels; the last one may stand alone.
    pub(crate) fn halved(self) -> Self {
        let (first, step) = (self.first + self.step / 2.0, 2.0 * self.step);
        Self { first, step, count: self.count.div_ceil(2) }
    }

    /// Each pixel is a sample: the number of the first.
    fn as_is(&self, samples: usize) -> Option<usize> {
        let exact = |value: f64, whole: f64| (value - whole).abs() < f64::EPSILON;
        let whole =
            exact(self.step, 1.0) && self.first >= 0.0 && exact(self.first, self.first.round());
        let first = self.first as usize;
        (whole && first + self.count <= samples).then_some(first)
    }
}

/// Samples with a weight each, from `first` on.
#[derive(Debug)]
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// What the pixels of a row are made of.
#[derive(Debug)]
enum Columns {
    /// Each is a sample, from this one on.
    AsIs(usize),
    /// One or two pixels to a sample: of those in the range, each is made as the one so many before it, a sample further on.
    Regular(Vec<Taps>, Range<usize>, usize),
    Any(Vec<Taps>),
}

/// Taps of a pixel where none is left out.
const TAPS: usize = 4;

/// So many pixels at an edge may be made otherwise.
const EDGE: usize = 2 * TAPS;

/// A plane on its way onto a grid of pixels, row by row: a whole plane of numbers would not fit into a processor's cache.
#[derive(Debug)]
pub(crate) struct Resampler<R> {
    /// Reads a row of samples.
    row: R,
    width: usize,
    columns: Columns,
    rows: Vec<Taps>,
    /// The next row of pixels.
    next: usize,
    /// Rows of samples that the last pixels needed, from `held_from` on, their columns resampled: each is read once.
    held: VecDeque<Vec<f32>>,
    held_from: usize,
    samples: Vec<f32>,
    pixels: Vec<f32>,
}

impl<R: FnMut(usize, &mut [f32])> Resampler<R> {
    /// Resamples a plane of `width` samples a row, of which `row(y, buffer)` gives one, and `height` rows.
    pub(crate) fn new((width, height): (usize, usize), row: R, across: Axis, down: Axis) -> Self {
        Self {
            row,
            width,
            columns: Columns::new(across, width),
            rows: in_reading_order(taps(down, height)),
            next: 0,
            held: VecDeque::new(),
            held_from: 0,
            samples: vec![0.0; width],
            pixels: vec![0.0; across.count],
        }
    }

    /// The next row of pixels; behind the last one, that again.
    pub(crate) fn next_row(&mut self) -> &[f32] {
        let Some(Taps { first, weights }) = self.rows.get(self.next) else { return &self.pixels };
        self.next += 1;
        let mut spare = Vec::new();
        while self.held_from < *first
            && let Some(row) = self.held.pop_front()
        {
            spare = row;
            self.held_from += 1;
        }
        if self.held.is_empty() {
            self.held_from = *first;
        }
        while self.held_from + self.held.len() < first + weights.len() {
            (self.row)(self.held_from + self.held.len(), &mut self.samples);
            let mut row = std::mem::take(&mut spare);
            row.resize(self.pixels.len(), 0.0);
            self.columns.resample(&self.samples[..self.width], &mut row);
            self.held.push_back(row);
        }
        if weights.len() == 1 {
            return &self.held[0];
        }
        self.pixels.fill(0.0);
        for (held, weight) in self.held.iter().zip(weights) {
            add(&mut self.pixels, held, *weight);
        }
        &self.pixels
    }
}

impl Columns {
    fn new(axis: Axis, samples: usize) -> Self {
        if let Some(from) = axis.as_is(samples) {
            return Self::AsIs(from);
        }
        let columns = taps(axis, samples);
        let phases = if axis.step > 0.75 { 1 } else { 2 };
        let end = columns.len().saturating_sub(EDGE) / phases * phases;
        let is_regular = (EDGE + phases..end).all(|n| {
            let (before, this) = (&columns[n - phases], &columns[n]);
            this.first == before.first + 1 && this.weights == before.weights
        });
        let fits = |taps: &Taps| taps.weights.len() <= TAPS && taps.first + TAPS <= samples;
        if EDGE < end && is_regular && columns[EDGE..end].iter().all(fits) {
            Self::Regular(columns, EDGE..end, phases)
        } else {
            Self::Any(columns)
        }
    }

    fn resample(&self, samples: &[f32], pixels: &mut [f32]) {
        match self {
            Self::AsIs(from) => pixels.copy_from_slice(&samples[*from..*from + pixels.len()]),
            Self::Any(columns) => weigh(columns, samples, pixels),
            Self::Regular(columns, Range { start, end }, phases) => {
                weigh(&columns[..*start], samples, &mut pixels[..*start]);
                weigh(&columns[*end..], samples, &mut pixels[*end..]);
                let pixels = &mut pixels[*start..*end];
                match phases {
                    1 => slide([&columns[*start]], samples, pixels),
                    _ => slide([&columns[*start], &columns[*start + 1]], samples, pixels),
                }
            }
        }
    }
}

/// Makes every `N`th pixel with the same weights, from samples each time one further on.
fn slide<const N: usize>(taps: [&Taps; N], samples: &[f32], pixels: &mut [f32]) {
    let count = pixels.len() / N;
    let weights = taps.map(|taps| {
        let mut weights = [0.0; TAPS];
        weights[..taps.weights.len()].copy_from_slice(&taps.weights);
        weights
    });
    slide_along(taps.map(|taps| &samples[taps.first..][..count + TAPS - 1]), weights, pixels);
}

#[multiversion(targets("x86_64+avx2"))]
fn slide_along<const N: usize>(
    samples: [&[f32]; N],
    weights: [[f32; TAPS]; N],
    pixels: &mut [f32],
) {
    for (n, pixels) in pixels.chunks_exact_mut(N).enumerate() {
        for ((pixel, weights), samples) in pixels.iter_mut().zip(&weights).zip(&samples) {
            let samples = &samples[n..n + TAPS];
            *pixel = weights[0] * samples[0]
                + weights[1] * samples[1]
                + weights[2] * samples[2]
                + weights[3] * samples[3];
        }
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add(pixels: &mut [f32], row: &[f32], weight: f32) {
    for (pixel, sample) in pixels.iter_mut().zip(row) {
        *pixel += weight * sample;
    }
}

fn weigh(columns: &[Taps], samples: &[f32], pixels: &mut [f32]) {
    for (pixel, Taps { first, weights }) in pixels.iter_mut().zip(columns) {
        let samples = &samples[*first..first + weights.len()];
        *pixel = samples.iter().zip(weights).map(|(sample, weight)| sample * weight).sum();
    }
}

/// The samples that each pixel of an axis is made of. Outside the plane its edge goes on.
fn taps(axis: Axis, samples: usize) -> Vec<Taps> {
    let last = samples.saturating_sub(1) as f64;
    let of_pixel = |n: usize| {
        let at = axis.first + n as f64 * axis.step;
        // To fewer pixels than samples, each pixel is made of all that it covers.
        let stretch = axis.step.max(1.0);
        let (from, to) = ((at - 2.0 * stretch).floor() + 1.0, (at + 2.0 * stretch).ceil() - 1.0);
        let clamped = |sample: f64| sample.clamp(0.0, last) as usize;
        let first = clamped(from);
        let mut weights = vec![0.0; clamped(to.max(from)) - first + 1];
        let mut sample = from;
        while sample <= to {
            weights[clamped(sample) - first] += kernel((sample - at) / stretch);
            sample += 1.0;
        }
        let sum: f64 = weights.iter().sum();
        // What weighs nothing at an edge need not be read.
        let end = weights.iter().rposition(|weight| *weight != 0.0).map_or(1, |end| end + 1);
        let begin = weights[..end].iter().position(|weight| *weight != 0.0).unwrap_or(0);
        let weights = weights[begin..end].iter().map(|weight| (weight / sum) as f32).collect();
        Taps { first: first + begin, weights }
    };
    (0..axis.count).map(of_pixel).collect()
}

/// Lets no row of pixels begin at an earlier row of samples than the row before it, since rows are read once and then
/// dropped: at some phases the first tap weighs nothing and was left out, and the next row of pixels needs it.
fn in_reading_order(mut rows: Vec<Taps>) -> Vec<Taps> {
    let mut next_first = usize::MAX;
    for Taps { first, weights } in rows.iter_mut().rev() {
        let missing = first.saturating_sub(next_first);
        weights.splice(..0, std::iter::repeat_n(0.0, missing));
        *first -= missing;
        next_first = *first;
    }
    rows
}

/// Cubic convolution (Keys, a = −1/2): exact at samples, exact for straight lines and parabolas.
fn kernel(distance: f64) -> f64 {
    let x = distance.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resample(
        size: (usize, usize),
        row: impl FnMut(usize, &mut [f32]),
        across: Axis,
        down: Axis,
    ) -> Vec<f32> {
        let mut resampler = Resampler::new(size, row, across, down);
        (0..down.count).flat_map(|_| resampler.next_row().to_vec()).collect()
    }

    fn ramp(across: Axis, down: Axis) -> Vec<f32> {
        let row = |y: usize, row: &mut [f32]| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = (x + 100 * y) as f32);
        };
        resample((16, 12), row, across, down)
    }

    #[test]
    fn pixels_that_are_samples_stay_as_they_are() {
        let all = ramp(Axis::over(0.0, 16.0, 16), Axis::over(0.0, 12.0, 12));
        assert_eq!(all.len(), 16 * 12);
        let whole: Vec<usize> = all.iter().map(|sample| *sample as usize).collect();
        assert!(whole.iter().enumerate().all(|(n, sample)| *sample == n % 16 + 100 * (n / 16)));
        let part = ramp(Axis::over(3.0, 5.0, 5), Axis::over(2.0, 2.0, 2));
        assert_eq!(part[..6], [203.0, 204.0, 205.0, 206.0, 207.0, 303.0]);
    }

    #[test]
    fn a_slope_stays_a_slope_whatever_the_scale() {
        for (width, height) in [(8, 6), (4, 3), (32, 24), (11, 7)] {
            let (across, down) = (Axis::over(0.0, 16.0, width), Axis::over(0.0, 12.0, height));
            let pixels = ramp(across, down);
            // Away from the edges, which do not go on as a slope.
            let (x, y) = (width / 2, height / 2);
            let at = |axis: Axis, n: usize| axis.first + n as f64 * axis.step;
            let expected = at(across, x) + 100.0 * at(down, y);
            assert!((f64::from(pixels[y * width + x]) - expected).abs() < 4.0, "{width}×{height}");
        }
    }

    /// Chroma of fields lies at quarters of a row: at some of these phases the first tap weighs nothing.
    #[test]
    fn rows_at_every_phase_equal_those_made_of_the_whole_plane() {
        let plane: Vec<f32> = (0..24).map(|y| (y * y % 17) as f32).collect();
        for step in [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.25] {
            for eighth in -16..=16 {
                let count = (20.0 / step) as usize;
                let down = Axis { first: f64::from(eighth) / 8.0, step, count };
                let row = |y: usize, row: &mut [f32]| row.fill(plane[y]);
                let pixels = resample((1, plane.len()), row, Axis::over(0.0, 1.0, 1), down);
                let mut expected = vec![0.0; count];
                weigh(&taps(down, plane.len()), &plane, &mut expected);
                let same = |(pixel, expected): (&f32, &f32)| (pixel - expected).abs() < 1e-3;
                let context = format!("step {step}, first {}", down.first);
                assert!(pixels.iter().zip(&expected).all(same), "{context}: {pixels:?}");
            }
        }
    }

    #[test]
    fn a_pixel_that_covers_many_samples_is_their_mean() {
        let stripes = |_: usize, row: &mut [f32]| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = (x % 2) as f32);
        };
        let pixels = resample((64, 4), stripes, Axis::over(0.0, 64.0, 8), Axis::over(0.0, 4.0, 4));
        assert!(pixels[2..6].iter().all(|pixel| (pixel - 0.5).abs() < 0.01), "{pixels:?}");
    }
}
