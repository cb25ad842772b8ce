//! One plane of samples onto a grid of pixels.
//!
//! A pixel's place among the samples is an affine function of its number, on each axis. So one resampling does what would
//! else be many: chroma to full size, a field to a picture, square pixels, crop and scale; nothing is resampled twice.

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

/// Resamples a plane of `width` samples a row, of which `row(y, buffer)` gives one, and `height` rows.
pub(crate) fn resample(
    (width, height): (usize, usize),
    row: impl Fn(usize, &mut [f32]),
    across: Axis,
    down: Axis,
) -> Vec<f32> {
    let columns = across.as_is(width).ok_or_else(|| taps(across, width));
    let rows = taps(down, height);
    let mut pixels = Vec::with_capacity(across.count * down.count);
    let mut samples = vec![0.0; width];
    // Rows that the last pixels needed, from `held_from` on: each is read once.
    let mut held: std::collections::VecDeque<Vec<f32>> = std::collections::VecDeque::new();
    let mut held_from = 0;
    for Taps { first, weights } in &rows {
        while held_from < *first && held.pop_front().is_some() {
            held_from += 1;
        }
        if held.is_empty() {
            held_from = *first;
        }
        while held_from + held.len() < first + weights.len() {
            row(held_from + held.len(), &mut samples);
            held.push_back(match &columns {
                Ok(from) => samples[*from..from + across.count].to_vec(),
                Err(columns) => columns.iter().map(|taps| weigh(taps, &samples)).collect(),
            });
        }
        let start = pixels.len();
        pixels.resize(start + across.count, 0.0);
        for (held, weight) in held.iter().zip(weights) {
            for (pixel, sample) in pixels[start..].iter_mut().zip(held) {
                *pixel += weight * sample;
            }
        }
    }
    pixels
}

fn weigh(taps: &Taps, samples: &[f32]) -> f32 {
    let samples = &samples[taps.first..taps.first + taps.weights.len()];
    samples.iter().zip(&taps.weights).map(|(sample, weight)| sample * weight).sum()
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

    #[test]
    fn a_pixel_that_covers_many_samples_is_their_mean() {
        let stripes = |_: usize, row: &mut [f32]| {
            row.iter_mut().enumerate().for_each(|(x, sample)| *sample = (x % 2) as f32);
        };
        let pixels = resample((64, 4), stripes, Axis::over(0.0, 64.0, 8), Axis::over(0.0, 4.0, 4));
        assert!(pixels[2..6].iter().all(|pixel| (pixel - 0.5).abs() < 0.01), "{pixels:?}");
    }
}
