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

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

use super::Plane;

/// Side of a block, in samples.
const BLOCK: usize = 8;
const AREA: i32 = (BLOCK * BLOCK) as i32;

/// Largest motion of a block to each side, in samples: a twelfth of the picture's width.
const REACH_X: usize = 7;
const REACH_Y: usize = 5;

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
}

impl Searchable {
    /// Prepares a plane, which should be about 80 samples wide ([`coarse_factor`]).
    #[must_use]
    pub fn new(plane: Plane) -> Self {
        let samples: Vec<i16> = plane.samples.iter().map(|&sample| i16::from(sample)).collect();
        let blocks = blocks(&samples, plane.width, plane.height);
        Self { plane, samples, blocks }
    }

    /// Returns the plane.
    #[must_use]
    pub fn plane(&self) -> &Plane {
        &self.plane
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
    let (mut found, mut weights) = (0.0, 0.0);
    for y in (0..height.next_multiple_of(BLOCK) - BLOCK / 2).step_by(BLOCK) {
        for x in (0..width.next_multiple_of(BLOCK) - BLOCK / 2).step_by(BLOCK) {
            // The last block of a row may overlap the one before.
            let (x, y) = (x.min(width - BLOCK), y.min(height - BLOCK));
            let (similarity, variance) = best_match(earlier, later, (x, y), gain);
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
    let contrast = |plane: &Searchable| {
        let deviations = plane.blocks.iter().map(|block| block.1.max(0.0).sqrt());
        deviations.sum::<f32>() + plane.blocks.len() as f32 / 4.0
    };
    (contrast(later) / contrast(earlier)).clamp(1.0 / MOST_GAIN, MOST_GAIN)
}

/// Returns the similarity of the block of `later` at (x, y) to the most similar one of `earlier`,
/// and the variance of that.
///
/// The contrast of the earlier one is multiplied by `gain`.
#[inline(always)]
fn best_match(
    earlier: &Searchable,
    later: &Searchable,
    (x, y): (usize, usize),
    gain: f32,
) -> (f32, f32) {
    let (width, height) = (later.plane.width, later.plane.height);
    let block = Block::of(later, y * width + x);
    // Most likely it is where it was.
    let mut best = block.better_than((0.0, 0.0), earlier, y * width + x, gain);
    for at_y in y.saturating_sub(REACH_Y)..=(y + REACH_Y).min(height - BLOCK) {
        for at_x in x.saturating_sub(REACH_X)..=(x + REACH_X).min(width - BLOCK) {
            best = block.better_than(best, earlier, at_y * width + at_x, gain);
        }
    }
    best
}

/// A block that is sought.
struct Block {
    samples: [i16; BLOCK * BLOCK],
    sum: i32,
    variance: f32,
}

impl Block {
    /// Returns the block that begins with the sample `start`.
    #[inline(always)]
    fn of(plane: &Searchable, start: usize) -> Self {
        let mut samples = [0; BLOCK * BLOCK];
        for (row, samples) in samples.chunks_exact_mut(BLOCK).enumerate() {
            samples.copy_from_slice(&plane.samples[start + row * plane.plane.width..][..BLOCK]);
        }
        let (sum, variance) = plane.blocks[start];
        Self { samples, sum, variance }
    }

    /// Returns the similarity of the block of `earlier` that begins with the sample `start`, and
    /// its variance, if that is better than `best`.
    #[inline(always)]
    fn better_than(
        &self,
        best: (f32, f32),
        earlier: &Searchable,
        start: usize,
        gain: f32,
    ) -> (f32, f32) {
        let (sum, variance) = earlier.blocks[start];
        let unlike = self.variance + gain * gain * variance + NOISE;
        // The covariance of two blocks is at most the geometric mean of their variances.
        let most = 2.0 * gain * (self.variance * variance).max(0.0).sqrt() + NOISE;
        if most <= best.0 * unlike {
            return best;
        }
        let mut product = 0i32;
        for (row, samples) in self.samples.chunks_exact(BLOCK).enumerate() {
            let other = &earlier.samples[start + row * earlier.plane.width..][..BLOCK];
            let products = samples.iter().zip(other).map(|(&a, &b)| i32::from(a) * i32::from(b));
            product += products.sum::<i32>();
        }
        let similarity = (2.0 * gain * covariance(product, self.sum, sum) + NOISE) / unlike;
        if similarity > best.0 { (similarity, variance) } else { best }
    }
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
