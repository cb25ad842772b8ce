//! Sums of products of a filter and samples: the loops that resampling spends its time in.
//!
//! Each output is added up in one order, next to any others, and no processor fuses a
//! product with its sum. So the same samples give the same output everywhere.

use multiversion::multiversion;

/// Taps that are computed next to each other.
pub(super) const LANES: usize = 8;

/// Outputs that are computed next to each other.
pub(super) const OUTPUTS: usize = 32;

/// Returns the sum of products. The filter has a multiple of [`LANES`] taps.
#[multiversion(targets("x86_64+avx2"))]
pub(super) fn dot(taps: &[f32], samples: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    for (taps, samples) in taps.as_chunks::<LANES>().0.iter().zip(samples.as_chunks::<LANES>().0) {
        for n in 0..LANES {
            sums[n] += taps[n] * samples[n];
        }
    }
    sums.iter().sum()
}

/// Samples in the order in which [`decimate`] takes them: every `step`-th one next to each other.
#[derive(Debug, Default)]
pub(super) struct Block {
    samples: Vec<f32>,
    step: usize,
    /// Distance from one series to the next.
    stride: usize,
}

impl Block {
    /// Takes the samples for `count` outputs of a filter of `taps` taps, `step` samples apart.
    /// `samples` may end with the last output's last one.
    pub(super) fn fill(&mut self, samples: &[f32], step: usize, taps: usize, count: usize) {
        self.step = step;
        self.stride = count.next_multiple_of(OUTPUTS) + taps.div_ceil(step);
        self.samples.clear();
        self.samples.resize(step * self.stride, 0.0);
        for (n, series) in self.samples.chunks_exact_mut(self.stride).enumerate() {
            let samples = samples.get(n..).unwrap_or_default().iter().step_by(step);
            series.iter_mut().zip(samples).for_each(|(place, sample)| *place = *sample);
        }
    }

    /// Computes the next outputs, one for each place of `out` that is `apart` from the one before.
    pub(super) fn decimate(&self, taps: &[f32], out: &mut [f32], apart: usize) {
        for (n, out) in out.chunks_mut(OUTPUTS * apart).enumerate() {
            let sums = decimate(taps, &self.samples[n * OUTPUTS..], self.step, self.stride);
            if apart == 1 {
                out.copy_from_slice(&sums[..out.len()]);
            } else {
                out.iter_mut().step_by(apart).zip(sums).for_each(|(place, sum)| *place = sum);
            }
        }
    }
}

/// Returns the next outputs, one for each `step` samples, of which series come `stride` apart.
#[multiversion(targets("x86_64+avx2"))]
fn decimate(taps: &[f32], samples: &[f32], step: usize, stride: usize) -> [f32; OUTPUTS] {
    let mut sums = [0.0_f32; OUTPUTS];
    for n in 0..step {
        let series = &samples[n * stride..];
        for (at, tap) in taps.iter().skip(n).step_by(step).enumerate() {
            let Some(samples) = series[at..].first_chunk::<OUTPUTS>() else { continue };
            for i in 0..OUTPUTS {
                sums[i] += tap * samples[i];
            }
        }
    }
    sums
}
