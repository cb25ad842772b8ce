//! The constant that is varied, and by which factor.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Number of the constant that is varied; none has the largest.
static NUMBER: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The bits of the factor.
static FACTOR: AtomicU64 = AtomicU64::new(0);

/// Varies one constant from here on, and no other.
pub fn vary(number: usize, factor: f64) {
    NUMBER.store(number, Ordering::Relaxed);
    FACTOR.store(factor.to_bits(), Ordering::Relaxed);
}

/// A kind of number.
pub trait Number: Copy + PartialEq {
    /// Returns the number times `factor`; another number than before, unless it is 0.
    fn times(self, factor: f64) -> Self;
}

macro_rules! whole {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            fn times(self, factor: f64) -> Self {
                let scaled = (self as f64 * factor).round() as Self;
                match factor {
                    _ if scaled != self || self == 0 => scaled,
                    _ if factor < 1.0 => self - 1,
                    _ => self + 1,
                }
            }
        }
    )*};
}
whole!(i64, usize, u32, u8);

impl Number for f32 {
    fn times(self, factor: f64) -> Self {
        (f64::from(self) * factor) as Self
    }
}

impl Number for f64 {
    fn times(self, factor: f64) -> Self {
        self * factor
    }
}

/// Returns the value of a constant.
#[inline]
pub fn value<T: Number>(number: usize, value: T) -> T {
    if NUMBER.load(Ordering::Relaxed) == number {
        value.times(f64::from_bits(FACTOR.load(Ordering::Relaxed)))
    } else {
        value
    }
}
