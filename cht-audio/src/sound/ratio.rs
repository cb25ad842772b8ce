//! Ratios of sample rates. Pure.

/// Two sample rates, and the samples after which both are in phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ratio {
    /// Input samples.
    pub from: u64,
    /// Output samples in the same time.
    pub to: u64,
}

impl Ratio {
    /// Returns the ratio of two rates in hertz, in lowest terms.
    pub(crate) fn of(from: u32, to: u32) -> Self {
        let common = gcd(from.into(), to.into());
        Self { from: u64::from(from) / common, to: u64::from(to) / common }
    }

    /// Returns the number of output samples for `count` input samples.
    pub(crate) fn outputs(self, count: u64) -> u64 {
        (count * self.to).div_ceil(self.from)
    }
}

/// Returns the greatest common divisor.
pub(crate) fn gcd(one: u64, other: u64) -> u64 {
    if other == 0 { one.max(1) } else { gcd(other, one % other) }
}
