//! Ticks of 90 kHz: unwrapping, seconds. No clock is read here.

/// Ticks per second of PTS and DTS (ISO/IEC 13818-1 §2.4.3.7).
pub const TICKS_PER_SECOND: i64 = 90_000;

/// Number of values of a 33-bit PTS: it wraps every 26.5 hours.
const WRAP: i64 = 1 << 33;

/// Unwraps a 33-bit PTS or DTS to the value nearest to `reference`, both in ticks.
///
/// The result is right if the two are less than half a wrap (13.25 h) apart, in either direction.
///
/// ```
/// use cht_ts::time::unwrap33;
///
/// let wrap = 1 << 33;
/// assert_eq!(unwrap33(wrap - 10, 5), wrap + 5);
/// assert_eq!(unwrap33(wrap + 5, 0x1_FFFF_FFF6), wrap - 10, "a B-frame steps back");
/// ```
#[must_use]
pub fn unwrap33(reference: i64, value: u64) -> i64 {
    reference.saturating_add(difference33(reference, value))
}

/// Returns the distance from `reference` forward to `value` on the 33-bit circle, in ticks: −2³² …
/// 2³²−1.
#[must_use]
pub fn difference33(reference: i64, value: u64) -> i64 {
    let forward = (value as i64 & (WRAP - 1)).wrapping_sub(reference).rem_euclid(WRAP);
    if forward >= WRAP / 2 { forward - WRAP } else { forward }
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

    #[test]
    fn unwraps_forward_over_the_wrap() {
        assert_eq!(unwrap33(WRAP - 10, 5), WRAP + 5);
    }

    #[test]
    fn b_frame_steps_back_over_the_wrap() {
        assert_eq!(unwrap33(WRAP + 5, (WRAP - 10) as u64), WRAP - 10);
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
                reference = unwrap33(reference, truth as u64 % WRAP as u64);
                prop_assert_eq!(reference, truth);
            }
        }

        #[test]
        fn ticks_and_seconds_are_inverse(t in -(1_i64 << 42)..1 << 42) {
            prop_assert_eq!(ticks(seconds(t)), t);
        }
    }
}
