//! Generates numbers from a seed, the same on every machine and in every version (`SplitMix64`).

/// Generator of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// Returns the generator of one round of a seed.
    pub(crate) fn of_round(seed: u64, round: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ round);
        // Neighbouring rounds start far apart.
        rng.next();
        rng
    }

    /// Returns another generator, for a thread of its own.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from 0 to `end`, without `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// Returns a number from `begin` to `end`, without `end`.
    pub(crate) fn between(&mut self, begin: u64, end: u64) -> u64 {
        begin + self.below(end - begin)
    }

    /// Returns a number from 0 to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        self.below(1 << 20) as f64 / f64::from(1 << 20)
    }

    /// Returns true in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns one of some values.
    pub(crate) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }
}
