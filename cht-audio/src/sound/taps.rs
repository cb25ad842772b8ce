//! Filters of the resampler: a sinc in a Kaiser window, as ffmpeg's default resampler has it. Pure.

use std::f64::consts::PI;

use super::ratio::Ratio;

/// Zero crossings of the filter, its cut-off relative to the lower Nyquist frequency, and the shape
/// of its Kaiser window: ffmpeg's defaults (`filter_size`, `cutoff`, `kaiser_beta`).
const CROSSINGS: f64 = 32.0;
const CUT_OFF: f64 = 0.97;
const BETA: f64 = 9.0;

/// Returns the cut-off relative to the input's Nyquist frequency.
fn factor(ratio: Ratio) -> f64 {
    (ratio.to as f64 * CUT_OFF / ratio.from as f64).min(1.0)
}

/// Returns the number of taps.
pub(super) fn filter_length(ratio: Ratio) -> usize {
    if ratio.from == ratio.to {
        return 0;
    }
    let length = (CROSSINGS / factor(ratio)).ceil() as usize;
    length.next_multiple_of(2)
}

/// Returns the filter of each phase, one after another. Each has `width` taps, the first of which
/// are 0.
pub(super) fn filter(ratio: Ratio, width: usize) -> Vec<f32> {
    let (factor, length) = (factor(ratio), filter_length(ratio));
    let center = length.saturating_sub(1) / 2;
    let mut taps = Vec::with_capacity(width * ratio.to as usize);
    for phase in 0..if length > 0 { ratio.to } else { 0 } {
        let tap = |n: usize| {
            let x = PI * factor * (n as f64 - center as f64 - phase as f64 / ratio.to as f64);
            let window = 2.0 * x / (factor * length as f64 * PI);
            let sinc = if x == 0.0 { 1.0 } else { x.sin() / x };
            sinc * bessel(BETA * (1.0 - window * window).max(0.0).sqrt())
        };
        let row: Vec<f64> = (0..length).map(tap).collect();
        let sum: f64 = row.iter().sum();
        taps.extend(std::iter::repeat_n(0.0, width - length));
        taps.extend(row.into_iter().map(|tap| (tap / sum) as f32));
    }
    taps
}

/// Returns the modified Bessel function of the first kind and order 0.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (n * n);
        sum += term;
        n += 1.0;
    }
    sum
}
