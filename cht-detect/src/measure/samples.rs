//! Size of a block, and arithmetic on its samples.

/// Side of a block, in samples.
pub(crate) const SIDE: usize = 4;
pub(crate) const AREA: usize = SIDE * SIDE;

// Slices, and no part of their caller: of 16 samples that it knew of, the compiler would look at
// one after the other.

/// Returns the sum of absolute differences.
#[inline(never)]
pub(crate) fn difference(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum()
}

/// Returns the greatest absolute difference.
#[inline(never)]
pub(crate) fn greatest_difference(a: &[u8], b: &[u8]) -> u8 {
    a.iter().zip(b).fold(0, |most, (&a, &b)| most.max(a.abs_diff(b)))
}

/// Returns the greatest absolute difference from the best fitting straight line: `b` as `a`, paler
/// or darker.
#[inline(never)]
pub(crate) fn greatest_residual(a: &[u8], b: &[u8]) -> f32 {
    let mean = |s: &[u8]| s.iter().map(|&s| f32::from(s)).sum::<f32>() / s.len() as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let off = || a.iter().zip(b).map(|(&a, &b)| (f32::from(a) - mean_a, f32::from(b) - mean_b));
    let (product, square) = off().fold((0.0, 0.0), |(p, s), (a, b)| (p + a * b, s + a * a));
    let slope = if square > 0.0 { (product / square).max(0.0) } else { 0.0 };
    off().fold(0.0, |most, (a, b)| (b - slope * a).abs().max(most))
}

/// Returns the difference between the greatest and the least sample.
#[inline(never)]
pub(crate) fn contrast(samples: &[u8]) -> u8 {
    let (low, high) = samples.iter().fold((255, 0), |(low, high), &s| (s.min(low), s.max(high)));
    high.saturating_sub(low)
}
