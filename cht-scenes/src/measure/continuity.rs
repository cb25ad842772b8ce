//! How much of a picture continues the one before, whatever moved in between.
//!
//! Block matching: each block of the later picture is sought in the earlier one, around its own place, and what counts is the
//! structure term of SSIM (Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004) at the
//! best place: a correlation, which neither brightness nor contrast changes. Blocks with much structure weigh more than flat ones.

use super::Plane;

/// Side of a block, in samples.
const BLOCK: usize = 8;

/// How far a block may have moved, in samples to each side: a twelfth of the picture's width.
const REACH_X: isize = 7;
const REACH_Y: isize = 5;

/// Variance below which a block is noise rather than structure (a standard deviation of 2 levels).
const NOISE: f32 = 4.0;

/// The share of `later` that is found in `earlier`, 0 to 1; 1 where there is no structure at all.
///
/// Both planes have the same size, which should be about 80 samples wide ([`coarse_factor`]).
#[must_use]
pub fn continuity(earlier: &Plane, later: &Plane) -> f32 {
    let (mut found, mut weights) = (0.0, 0.0);
    for y in (0..(later.height + BLOCK / 2) / BLOCK * BLOCK).step_by(BLOCK) {
        for x in (0..(later.width + BLOCK / 2) / BLOCK * BLOCK).step_by(BLOCK) {
            // The last block of a row may overlap the one before.
            let (x, y) = (
                x.min(later.width.saturating_sub(BLOCK)),
                y.min(later.height.saturating_sub(BLOCK)),
            );
            let Some(block) = Block::of(later, x, y) else { continue };
            let best = best_match(earlier, &block, x as isize, y as isize);
            let weight = block.variance.max(best.variance).sqrt();
            let weight = weight * weight / (weight + 4.0);
            found += weight * best.similarity;
            weights += weight;
        }
    }
    // As much certainty as a hundredth of a block of full contrast holds against what is not there.
    (found + 0.5) / (weights + 0.5)
}

/// By how much a picture has to shrink before its blocks are compared.
#[must_use]
pub fn coarse_factor(width: usize) -> usize {
    ((width + 40) / 80).max(1)
}

struct Block {
    samples: [i16; BLOCK * BLOCK],
    sum: i32,
    /// Of the samples, in squared levels.
    variance: f32,
}

impl Block {
    fn of(plane: &Plane, x: usize, y: usize) -> Option<Self> {
        if x + BLOCK > plane.width || y + BLOCK > plane.height {
            return None;
        }
        let mut samples = [0i16; BLOCK * BLOCK];
        let (mut sum, mut squares) = (0, 0);
        for (row, out) in samples.chunks_exact_mut(BLOCK).enumerate() {
            for (sample, &value) in out.iter_mut().zip(&plane.row(y + row)[x..x + BLOCK]) {
                *sample = i16::from(value);
                sum += i32::from(value);
                squares += i32::from(value) * i32::from(value);
            }
        }
        Some(Self { samples, sum, variance: covariance(squares, sum, sum) })
    }
}

struct Match {
    similarity: f32,
    variance: f32,
}

fn best_match(plane: &Plane, block: &Block, x: isize, y: isize) -> Match {
    let last_x = plane.width as isize - BLOCK as isize;
    let last_y = plane.height as isize - BLOCK as isize;
    let mut best = Match { similarity: -1.0, variance: 0.0 };
    for at_y in (y - REACH_Y).max(0)..=(y + REACH_Y).min(last_y) {
        for at_x in (x - REACH_X).max(0)..=(x + REACH_X).min(last_x) {
            let start = at_y as usize * plane.width + at_x as usize;
            let (mut product, mut sum, mut squares) = (0i32, 0i32, 0i32);
            for (row, samples) in block.samples.chunks_exact(BLOCK).enumerate() {
                let other = &plane.samples[start + row * plane.width..][..BLOCK];
                for (&a, &b) in samples.iter().zip(other) {
                    let b = i16::from(b);
                    product += i32::from(a) * i32::from(b);
                    sum += i32::from(b);
                    squares += i32::from(b) * i32::from(b);
                }
            }
            let variance = covariance(squares, sum, sum);
            let shared = covariance(product, block.sum, sum);
            let similarity = (2.0 * shared + NOISE) / (block.variance + variance + NOISE);
            if similarity > best.similarity {
                best = Match { similarity, variance };
            }
        }
    }
    best.similarity = best.similarity.max(0.0);
    best
}

/// Of two blocks, by the sum of their products and their sums; exact before it is divided.
fn covariance(product: i32, sum: i32, other: i32) -> f32 {
    const AREA: i32 = (BLOCK * BLOCK) as i32;
    (product * AREA - sum * other) as f32 / (AREA * AREA) as f32
}
