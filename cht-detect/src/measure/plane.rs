//! Planes of luma, and making them smaller.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// A picture's luma, 8 bits a sample, row by row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plane {
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width × height` samples.
    pub samples: Vec<u8>,
}

impl Plane {
    /// Returns the samples of row `y`.
    #[must_use]
    pub fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * self.width..][..self.width]
    }

    /// Shrinks it: each `factor × factor` samples become their mean, and a remainder at the right
    /// and lower edge is dropped.
    #[must_use]
    pub fn shrunk(&self, factor: usize) -> Self {
        self.shrunk_as(factor, None)
    }

    /// Shrinks it, given another plane of this size and its shrunk form: equal rows are copied.
    #[must_use]
    pub fn shrunk_as(&self, factor: usize, before: Option<(&Self, &Self)>) -> Self {
        if factor <= 1 {
            return self.clone();
        }
        let (width, height) = (self.width / factor, self.height / factor);
        let area = (factor * factor) as u64;
        // A product with it, 40 bits down, is a quotient: exact up to the sum of 2^16 samples.
        let share = (1 << 40) / area + 1;
        let mut samples = Vec::with_capacity(width * height);
        let mut sums = vec![0u32; width * factor];
        for y in 0..height {
            let lines = y * factor * self.width..(y + 1) * factor * self.width;
            if let Some((before, shrunk)) = before
                && self.samples[lines.clone()] == before.samples[lines]
            {
                samples.extend_from_slice(shrunk.row(y));
                continue;
            }
            sums.fill(0);
            // Rows first, which is done for many columns at once.
            for row in 0..factor {
                add(&mut sums, self.row(y * factor + row));
            }
            samples.extend(sums.chunks_exact(factor).map(|group| {
                let sum = u64::from(group.iter().sum::<u32>()) + area / 2;
                ((sum * share) >> 40) as u8
            }));
        }
        Self { width, height, samples }
    }

    /// Tells whether both have the same width and height.
    #[must_use]
    pub fn is_as_large_as(&self, other: &Self) -> bool {
        (self.width, self.height) == (other.width, other.height)
    }

    /// Returns the mean absolute difference to a plane of the same size, 0 to 255.
    #[must_use]
    pub fn difference(&self, other: &Self) -> f64 {
        let sum: u64 = self
            .samples
            .chunks(1 << 16)
            .zip(other.samples.chunks(1 << 16))
            .map(|(a, b)| {
                let sum: u32 = a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum();
                u64::from(sum)
            })
            .sum();
        sum as f64 / self.samples.len().max(1) as f64
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn add(sums: &mut [u32], row: &[u8]) {
    for (sum, &sample) in sums.iter_mut().zip(row) {
        *sum += u32::from(sample);
    }
}
