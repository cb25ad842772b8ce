//! Ticks of 90 kHz: the stream's clock, unwrapping, seconds. No clock is read here.

use std::{
    fmt,
    ops::{Add, Sub},
};

/// Ticks per second of PTS and DTS (ISO/IEC 13818-1 §2.4.3.7).
pub const TICKS_PER_SECOND: i64 = 90_000;

/// A value of a stream's clock: a PTS, a DTS, or the base of a PCR, 33 bits of 90 kHz ticks
/// (ISO/IEC 13818-1 §2.4.3.7).
///
/// The values lie on a circle, so none is larger than another, and there is no `Ord`: [`since`] is
/// the distance between two. It is right if they are less than half a wrap (13.25 h) apart, in
/// either direction. [`near`] unwraps a value against a time that it is close to.
///
/// Times and distances off the circle are `i64`, without a type of their own: they are added,
/// compared and scaled in every line that handles time, and cannot be taken for a `Pts`.
///
/// ```
/// use cht_ts::Pts;
///
/// let last = Pts::new(-10);
/// assert_eq!(last.ticks(), (1 << 33) - 10);
/// assert_eq!(last + 15, Pts::new(5));
/// assert_eq!(Pts::new(5).since(last), 15, "over the wrap");
/// assert_eq!(last.since(Pts::new(5)), -15, "a B-frame steps back");
/// assert_eq!(Pts::new(5).near(1 << 33), (1 << 33) + 5);
/// ```
///
/// [`since`]: Pts::since
/// [`near`]: Pts::near
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Pts(i64);

impl Pts {
    /// Number of values: the clock wraps every 26.5 hours.
    pub const WRAP: i64 = 1 << 33;

    /// Returns the value of the circle at `ticks`, which may be unwrapped or negative.
    #[must_use]
    pub const fn new(ticks: i64) -> Self {
        Self(ticks & (Self::WRAP - 1))
    }

    /// Returns the 33 bits, as they are sent.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Returns the distance from `earlier` forward to this value, in ticks: −2³² … 2³²−1.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        let forward = (self.0 - earlier.0) & (Self::WRAP - 1);
        if forward >= Self::WRAP / 2 { forward - Self::WRAP } else { forward }
    }

    /// Returns the unwrapped value nearest to `reference`, both in ticks of the stream's clock.
    #[must_use]
    pub const fn near(self, reference: i64) -> i64 {
        reference.saturating_add(self.since(Self::new(reference)))
    }
}

impl Add<i64> for Pts {
    type Output = Self;

    fn add(self, ticks: i64) -> Self {
        Self::new(self.0.wrapping_add(ticks))
    }
}

impl Sub<i64> for Pts {
    type Output = Self;

    fn sub(self, ticks: i64) -> Self {
        Self::new(self.0.wrapping_sub(ticks))
    }
}

impl fmt::Display for Pts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tells whether `ticks`, read from a file, can be a time of a session: less than 25,000 years, so
/// that sums of a few such times fit as well.
#[must_use]
pub fn is_time(ticks: i64) -> bool {
    ticks.unsigned_abs() < 1 << 56
}

/// Returns ticks as seconds, rounded to the microsecond, for printing and for events.
#[must_use]
pub fn seconds(ticks: i64) -> f64 {
    // Microseconds first, in integers: the division by 1e6 is then the only rounding of a float.
    let micros = (i128::from(ticks) * 1_000_000 + i128::from(TICKS_PER_SECOND / 2))
        .div_euclid(i128::from(TICKS_PER_SECOND));
    micros as f64 / 1e6
}

/// Returns seconds as ticks, to the nearest. For options such as `--max-interval`, not for stream
/// time.
#[must_use]
pub fn ticks(seconds: f64) -> i64 {
    (seconds * TICKS_PER_SECOND as f64).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WRAP: i64 = Pts::WRAP;

    #[test]
    fn unwraps_over_the_wrap_in_both_directions() {
        assert_eq!(Pts::new(5).near(WRAP - 10), WRAP + 5);
        assert_eq!(Pts::new(-10).near(WRAP + 5), WRAP - 10, "a B-frame steps back");
        assert_eq!(Pts::new(WRAP - 10).near(5), -10, "before zero");
    }

    #[test]
    fn distance_is_half_a_wrap_at_most() {
        let half = WRAP / 2;
        assert_eq!(Pts::new(half - 1).since(Pts::new(0)), half - 1);
        assert_eq!(Pts::new(half).since(Pts::new(0)), -half);
    }

    #[test]
    fn any_number_has_a_place_on_the_circle() {
        for ticks in [i64::MIN, i64::MAX] {
            assert_eq!(Pts::new(ticks).ticks(), ticks.rem_euclid(WRAP));
            assert_eq!((Pts::new(1) + ticks) - ticks, Pts::new(1));
            assert!(
                (i128::from(Pts::new(1).near(ticks)) - i128::from(ticks)).abs() <= i128::from(WRAP)
            );
        }
    }

    #[test]
    fn seconds_have_six_decimals() {
        assert_eq!(seconds(133_500).to_string(), "1.483333");
        assert_eq!(seconds(-1).to_string(), "-0.000011");
    }

    proptest! {
        #[test]
        fn any_number_of_wraps(start in 0_i64..1 << 40, steps in prop::collection::vec(-900_000_i64..324_000_000, 1..200)) {
            let (mut truth, mut reference) = (start, start);
            for step in steps {
                truth = (truth + step).max(0);
                reference = Pts::new(truth).near(reference);
                prop_assert_eq!(reference, truth);
            }
        }

        #[test]
        fn ticks_and_seconds_are_inverse(t in -(1_i64 << 42)..1 << 42) {
            prop_assert_eq!(ticks(seconds(t)), t);
        }
    }
}
