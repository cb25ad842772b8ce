//! Resamples a plane of samples to a grid of pixels.
//!
//! A pixel's position among the samples is an affine function of its index, on each axis. So one
//! pass does it all: chroma to full size, a field to a picture, square pixels, crop and scale.

use std::{collections::VecDeque, ops::Range};

use multiversion::multiversion;

/// Positions of pixels among samples, on one axis: pixel `i` at sample `first + i · step`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    pub first: f64,
    pub step: f64,
    /// Number of pixels.
    pub count: usize,
}

impl Axis {
    /// Spreads `count` pixels over `length` samples from the edge `from`.
    pub(crate) fn over(from: f64, length: f64, count: usize) -> Self {
        let step = length / count as f64;
        Self { first: from + (step - 1.0) / 2.0, step, count }
    }

    /// Returns the same pixels among samples that start at `at` and are `distance` apart.
    pub(crate) fn among(self, at: f64, distance: f64) -> Self {
        Self { first: (self.first - at) / distance, step: self.step / distance, ..self }
    }

    /// Returns the middles of pairs of pixels; the last pixel may have no pair.
    pub(crate) fn halved(self) -> Self {
        let (first, step) = (self.first + self.step / 2.0, 2.0 * self.step);
        Self { first, step, count: self.count.div_ceil(2) }
    }

    /// Returns the index of the first sample if each pixel is exactly a sample.
    fn as_is(&self, samples: usize) -> Option<usize> {
        let exact = |value: f64, whole: f64| (value - whole).abs() < f64::EPSILON;
        let whole =
            exact(self.step, 1.0) && self.first >= 0.0 && exact(self.first, self.first.round());
        let first = self.first as usize;
        (whole && first + self.count <= samples).then_some(first)
    }
}

/// Weights of consecutive samples that make up a pixel.
#[derive(Debug)]
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Taps of the pixels of a row.
#[derive(Debug)]
enum Columns {
    /// Each pixel is a sample, starting with this one.
    AsIs(usize),
    /// One or two pixels per sample: pixels in the range repeat the weights of the pixel this
    /// number before, one sample further on.
    Regular(Vec<Taps>, Range<usize>, usize),
    Any(Vec<Taps>),
}

/// Number of taps of a pixel at one or more pixels per sample.
const TAPS: usize = 4;

/// Number of pixels at each edge whose weights may differ.
const EDGE: usize = 2 * TAPS;

/// Resamples a plane row by row: a whole plane of numbers would not fit into a CPU cache.
#[derive(Debug)]
pub(crate) struct Resampler<R> {
    /// Reads a row of samples.
    row: R,
    width: usize,
    columns: Columns,
    rows: Vec<Taps>,
    /// Index of the next row of pixels.
    next: usize,
    /// Rows of samples that the last row of pixels needed, from `held_from` on, resampled
    /// horizontally; each is read once.
    held: VecDeque<Vec<f32>>,
    held_from: usize,
    samples: Vec<f32>,
    pixels: Vec<f32>,
}

impl<R: FnMut(usize, &mut [f32])> Resampler<R> {
    /// Resamples a plane of `height` rows of `width` samples, which `row(y, buffer)` reads.
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

    /// Returns the next row of pixels; after the last one, that again.
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

/// Computes every `N`th pixel with the same weights, moving on by one sample each time.
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

/// Returns the taps of each pixel of an axis. Outside of the plane, the edge sample is repeated.
fn taps(axis: Axis, samples: usize) -> Vec<Taps> {
    let last = samples.saturating_sub(1) as f64;
    let of_pixel = |n: usize| {
        let at = axis.first + n as f64 * axis.step;
        // When scaling down, a pixel is made of all samples that it covers.
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
        // Samples of zero weight at either end need not be read.
        let end = weights.iter().rposition(|weight| *weight != 0.0).map_or(1, |end| end + 1);
        let begin = weights[..end].iter().position(|weight| *weight != 0.0).unwrap_or(0);
        let weights = weights[begin..end].iter().map(|weight| (weight / sum) as f32).collect();
        Taps { first: first + begin, weights }
    };
    (0..axis.count).map(of_pixel).collect()
}

/// Makes rows of pixels begin at non-decreasing rows of samples, since rows are read once and then
/// dropped: at some phases the first tap has zero weight and was left out, but the next row of
/// pixels needs it.
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
    fn pixels_at_samples_keep_their_values() {
        let all = ramp(Axis::over(0.0, 16.0, 16), Axis::over(0.0, 12.0, 12));
        assert_eq!(all.len(), 16 * 12);
        let whole: Vec<usize> = all.iter().map(|sample| *sample as usize).collect();
        assert!(whole.iter().enumerate().all(|(n, sample)| *sample == n % 16 + 100 * (n / 16)));
        let part = ramp(Axis::over(3.0, 5.0, 5), Axis::over(2.0, 2.0, 2));
        assert_eq!(part[..6], [203.0, 204.0, 205.0, 206.0, 207.0, 303.0]);
    }

    #[test]
    fn slope_is_kept_at_any_scale() {
        for (width, height) in [(8, 6), (4, 3), (32, 24), (11, 7)] {
            let (across, down) = (Axis::over(0.0, 16.0, width), Axis::over(0.0, 12.0, height));
            let pixels = ramp(across, down);
            // Away from the edges, where the slope ends.
            let (x, y) = (width / 2, height / 2);
            let at = |axis: Axis, n: usize| axis.first + n as f64 * axis.step;
            let expected = at(across, x) + 100.0 * at(down, y);
            assert!((f64::from(pixels[y * width + x]) - expected).abs() < 4.0, "{width}×{height}");
        }
    }

    /// Chroma of fields lies at quarters of a row: at some of these phases the first tap has zero
    /// weight.
    #[test]
    fn rows_at_every_phase_match_the_whole_plane() {
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
    fn pixel_covering_many_samples_is_their_mean() {
        let stripes = |_: usize, row: &mut [f32]| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = (x % 2) as f32);
        };
        let pixels = resample((64, 4), stripes, Axis::over(0.0, 64.0, 8), Axis::over(0.0, 4.0, 4));
        assert!(pixels[2..6].iter().all(|pixel| (pixel - 0.5).abs() < 0.01), "{pixels:?}");
    }
}
