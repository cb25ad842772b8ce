//! Measures how much of a picture continues the one before, wherever it moved.
//!
//! Block matching: each block of the later picture is sought in the earlier one, around its own
//! position. The match is the structure term of SSIM (Wang et al., "Image Quality Assessment: From
//! Error Visibility to Structural Similarity", 2004): a correlation, which neither brightness nor
//! contrast changes. Blocks with much structure weigh more than flat ones.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined has not its caller's processor features"
)]

use std::sync::OnceLock;

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::Plane;

/// Side of a block, in samples.
const BLOCK: usize = 8;
const AREA: i32 = (BLOCK * BLOCK) as i32;

/// Largest motion of a block to each side, in samples: a twelfth of the picture's width.
const REACH_X: usize = 7;
const REACH_Y: usize = 5;

/// Number of neighbouring blocks that are looked at together: all in reach of a row, and one more.
/// As many follow each block's first sample, because seven more rows of samples do.
const TOGETHER: usize = 2 * REACH_X + 2;

/// Variance below which a block is noise rather than structure (a standard deviation of 2 levels).
const NOISE: f32 = 4.0;

/// Standard deviation below which a block weighs less, in levels.
const FAINT: f32 = 4.0;

/// Largest factor by which light that is turned up or down changes contrast.
const MOST_GAIN: f32 = 3.0;

/// Logarithm of the change of contrast up to which the light is the same.
const SAME_LIGHT: f32 = 0.1;

/// Weight that counts for continuity against a few faint blocks.
const DOUBT: f32 = 0.5;

/// Returns the factor by which a picture shrinks before its blocks are compared: to about 80
/// samples in a row.
#[must_use]
pub fn coarse_factor(width: usize) -> usize {
    ((width + 40) / 80).max(1)
}

/// A plane in which blocks can be sought.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Searchable {
    plane: Plane,
    /// Samples as they are multiplied.
    samples: Vec<i16>,
    /// Of the block whose upper left sample this is: the sum of its samples, and their variance in
    /// squared levels.
    blocks: Vec<(i32, f32)>,
    /// Sum of the deviations of all blocks, once it was asked for.
    #[serde(skip)]
    contrast: OnceLock<f32>,
}

impl Searchable {
    /// Prepares a plane, which should be about 80 samples wide ([`coarse_factor`]).
    #[must_use]
    pub fn new(plane: Plane) -> Self {
        let samples: Vec<i16> = plane.samples.iter().map(|&sample| i16::from(sample)).collect();
        let blocks = blocks(&samples, plane.width, plane.height);
        Self { plane, samples, blocks, contrast: OnceLock::new() }
    }

    /// Returns the plane.
    #[must_use]
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Returns how much contrast there is within blocks.
    fn contrast(&self) -> f32 {
        *self.contrast.get_or_init(|| {
            let deviations = self.blocks.iter().map(|block| block.1.max(0.0).sqrt());
            deviations.sum::<f32>() + self.blocks.len() as f32 / 4.0
        })
    }
}

/// Computes [`Searchable::blocks`].
#[multiversion(targets("x86_64+avx2"))]
fn blocks(samples: &[i16], columns: usize, rows: usize) -> Vec<(i32, f32)> {
    let mut blocks = vec![(0, 0.0); samples.len()];
    let width = (columns + 1).saturating_sub(BLOCK);
    // Of the samples and of their squares: sums of eight in a row, and of these over the last eight
    // rows.
    let mut wide = vec![[0i32; 2]; width * rows];
    let mut sums = vec![[0i32; 2]; width];
    for y in 0..rows {
        let row = &samples[y * columns..][..columns];
        let (above, wide) = wide.split_at_mut(y * width);
        let wide = &mut wide[..width];
        for shift in 0..BLOCK {
            for (sums, &sample) in wide.iter_mut().zip(row.get(shift..).unwrap_or_default()) {
                let sample = i32::from(sample);
                *sums = [sums[0] + sample, sums[1] + sample * sample];
            }
        }
        for (sums, wide) in sums.iter_mut().zip(wide) {
            *sums = [sums[0] + wide[0], sums[1] + wide[1]];
        }
        let Some(first) = (y + 1).checked_sub(BLOCK) else { continue };
        let blocks = &mut blocks[first * columns..][..width];
        for (block, [sum, squares]) in blocks.iter_mut().zip(&sums) {
            *block = (*sum, covariance(*squares, *sum, *sum));
        }
        for (sums, wide) in sums.iter_mut().zip(&above[first * width..]) {
            *sums = [sums[0] - wide[0], sums[1] - wide[1]];
        }
    }
    blocks
}

/// Returns the share of `later` that is found in `earlier`, 0 to 1; 1 if there is no structure.
///
/// Both have the same size.
#[must_use]
pub fn continuity(earlier: &Searchable, later: &Searchable) -> f32 {
    found_again(earlier, later, 1.0)
}

/// Returns the continuity as if the light were the same in both; `None` if it is.
#[must_use]
pub fn continuity_in_other_light(earlier: &Searchable, later: &Searchable) -> Option<f32> {
    let gain = gain(earlier, later);
    (gain.ln().abs() > SAME_LIGHT).then(|| found_again(earlier, later, gain))
}

/// Returns the [`continuity`] with the contrast of `earlier` multiplied by `gain`.
#[multiversion(targets("x86_64+avx2"))]
fn found_again(earlier: &Searchable, later: &Searchable, gain: f32) -> f32 {
    let (width, height) = (later.plane.width, later.plane.height);
    if width < BLOCK || height < BLOCK {
        return 1.0;
    }
    // Samples, and some after the last, as they are multiplied: floating-point numbers, of which
    // processors multiply more at once, and which are exact below 2^24.
    let padding = [0.0; BLOCK + TOGETHER];
    let samples = earlier.samples.iter().map(|&sample| f32::from(sample)).chain(padding);
    let samples: Vec<f32> = samples.collect();
    let (mut found, mut weights) = (0.0, 0.0);
    for y in (0..height.next_multiple_of(BLOCK) - BLOCK / 2).step_by(BLOCK) {
        for x in (0..width.next_multiple_of(BLOCK) - BLOCK / 2).step_by(BLOCK) {
            // The last block of a row may overlap the one before.
            let (x, y) = (x.min(width - BLOCK), y.min(height - BLOCK));
            let (similarity, variance) = best_match(earlier, &samples, later, (x, y), gain);
            let deviation =
                later.blocks[y * width + x].1.max(gain * gain * variance).max(0.0).sqrt();
            let weight = deviation * deviation / (deviation + FAINT);
            found += weight * similarity;
            weights += weight;
        }
    }
    (found + DOUBT) / (weights + DOUBT)
}

/// Returns the factor by which the contrast within blocks has grown, if light was turned up or
/// down.
fn gain(earlier: &Searchable, later: &Searchable) -> f32 {
    (later.contrast() / earlier.contrast()).clamp(1.0 / MOST_GAIN, MOST_GAIN)
}

/// Returns the similarity of the block of `later` at (x, y) to the most similar one of `earlier`,
/// whose `samples` are given, and the variance of that.
///
/// The contrast of the earlier one is multiplied by `gain`.
#[inline(always)]
fn best_match(
    earlier: &Searchable,
    samples: &[f32],
    later: &Searchable,
    (x, y): (usize, usize),
    gain: f32,
) -> (f32, f32) {
    let (width, height) = (later.plane.width, later.plane.height);
    let block = Block::of(later, y * width + x, gain);
    let from = |start| (&earlier.blocks[start..][..TOGETHER], &samples[start..]);
    // Most likely it is where it was.
    let start = y * width + x;
    let mut best = block.best_of((0.0, 0.0), from(start), 1);
    let (first, last) = (x.saturating_sub(REACH_X), (x + REACH_X).min(width - BLOCK));
    for at_y in y.saturating_sub(REACH_Y)..=(y + REACH_Y).min(height - BLOCK) {
        best = block.best_of(best, from(at_y * width + first), last - first + 1);
    }
    best
}

/// A block that is sought.
struct Block {
    samples: [f32; BLOCK * BLOCK],
    sum: i32,
    variance: f32,
    /// Factor for the contrast of the earlier picture.
    gain: f32,
    /// Samples in a row of the pictures.
    width: usize,
}

impl Block {
    /// Returns the block that begins with the sample `start`.
    #[inline(always)]
    fn of(plane: &Searchable, start: usize, gain: f32) -> Self {
        let (width, mut samples) = (plane.plane.width, [0.0; BLOCK * BLOCK]);
        for (row, samples) in samples.chunks_exact_mut(BLOCK).enumerate() {
            for (sample, &from) in samples.iter_mut().zip(&plane.samples[start + row * width..]) {
                *sample = f32::from(from);
            }
        }
        let (sum, variance) = plane.blocks[start];
        Self { samples, sum, variance, gain, width }
    }

    /// Returns the similarity of the most similar of the first `count` blocks, which begin with
    /// consecutive `samples`, and its variance, if that is better than `best`.
    #[inline(always)]
    fn best_of(
        &self,
        mut best: (f32, f32),
        (blocks, samples): (&[(i32, f32)], &[f32]),
        count: usize,
    ) -> (f32, f32) {
        let (mut sums, mut variances) = ([0; TOGETHER], [0.0; TOGETHER]);
        for ((sum, variance), block) in sums.iter_mut().zip(&mut variances).zip(blocks) {
            (*sum, *variance) = *block;
        }
        let unlike =
            variances.map(|variance| self.variance + self.gain * self.gain * variance + NOISE);
        // The covariance of two blocks is at most the geometric mean of their variances.
        let most = variances
            .map(|variance| 2.0 * self.gain * (self.variance * variance).max(0.0).sqrt() + NOISE);
        let may_be_better = |n: usize, best: f32| most[n] > best * unlike[n];
        if !any(|n| may_be_better(n, best.0)) {
            return best;
        }
        let mut similarities = self.products(samples);
        for ((similarity, sum), unlike) in similarities.iter_mut().zip(sums).zip(unlike) {
            let covariance = covariance(whole(*similarity), self.sum, sum);
            *similarity = (2.0 * self.gain * covariance + NOISE) / unlike;
        }
        if any(|n| similarities[n] > best.0) {
            for n in 0..count {
                if may_be_better(n, best.0) && similarities[n] > best.0 {
                    best = (similarities[n], variances[n]);
                }
            }
        }
        best
    }

    /// Returns the sums of the products with the samples of blocks next to each other.
    #[inline(always)]
    fn products(&self, samples: &[f32]) -> [f32; TOGETHER] {
        let mut sums = [0.0; TOGETHER];
        for (row, own) in self.samples.chunks_exact(BLOCK).enumerate() {
            let others = &samples[row * self.width..][..BLOCK + TOGETHER];
            // Of each row on its own, so that no addition waits for those of the row before.
            let mut of_row = [0.0; TOGETHER];
            for (shift, own) in own.iter().enumerate() {
                for (sum, other) in of_row.iter_mut().zip(&others[shift..]) {
                    *sum += own * other;
                }
            }
            for (sum, of_row) in sums.iter_mut().zip(of_row) {
                *sum += of_row;
            }
        }
        sums
    }
}

/// Returns a whole number below 2^23, such as the sum of 64 products of samples. A usual conversion
/// also checks whether each number is too large, one after the other.
#[inline(always)]
fn whole(number: f32) -> i32 {
    const STEPS_OF_ONE: f32 = 8_388_608.0;
    (number + STEPS_OF_ONE).to_bits() as i32 - STEPS_OF_ONE.to_bits() as i32
}

/// Returns whether `is_true` holds for any of the blocks that are compared together.
#[inline(always)]
fn any(is_true: impl Fn(usize) -> bool) -> bool {
    (0..TOGETHER).fold(false, |any, n| any | is_true(n))
}

/// Returns the covariance of two blocks from the sum of their products and their sums; exact up to
/// the division.
#[inline(always)]
fn covariance(product: i32, sum: i32, other: i32) -> f32 {
    (product * AREA - sum * other) as f32 / (AREA * AREA) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a texture without self-similarity, shifted, brightened and stretched in contrast.
    fn texture(shift: usize, brightness: i32, contrast: i32) -> Searchable {
        let value = |x: usize, y: usize| {
            let mut noise = ((x + shift) as u32).wrapping_mul(0x9E37_79B1)
                ^ (y as u32).wrapping_mul(0x85EB_CA6B);
            noise ^= noise >> 15;
            noise = noise.wrapping_mul(0x2C1B_3C6D);
            let level = ((noise >> 24) as i32 - 128) / 4;
            (128 + brightness + level * contrast / 4).clamp(0, 255) as u8
        };
        let samples = (0..48).flat_map(|y| (0..80).map(move |x| value(x, y))).collect();
        Searchable::new(Plane { width: 80, height: 48, samples })
    }

    #[test]
    fn moved_or_brighter_picture_continues() {
        let first = texture(0, 0, 4);
        assert!(continuity(&first, &texture(0, 0, 4)) > 0.999);
        assert!(continuity(&first, &texture(5, 0, 4)) > 0.9);
        assert!(continuity(&first, &texture(3, 60, 3)) > 0.8);
    }

    #[test]
    fn dimmed_picture_differs_from_another_picture() {
        let first = texture(0, 0, 4);
        let dimmed = texture(2, -40, 1);
        assert!(continuity(&first, &dimmed) < 0.7);
        assert!(continuity_in_other_light(&first, &dimmed).is_some_and(|found| found > 0.85));
        assert!(
            continuity_in_other_light(&first, &texture(40, -40, 1))
                .is_some_and(|found| found < 0.6)
        );
        assert_eq!(continuity_in_other_light(&first, &texture(2, 0, 4)), None);
    }

    #[test]
    fn other_picture_does_not_continue() {
        assert!(continuity(&texture(0, 0, 4), &texture(40, 0, 4)) < 0.6);
    }

    #[test]
    fn picture_smaller_than_a_block_continues() {
        let tiny = Searchable::new(Plane { width: 4, height: 4, samples: vec![9; 16] });
        assert!((continuity(&tiny, &tiny) - 1.0).abs() < f32::EPSILON);
    }
}
