//! Ticks, in which times are counted here: 90,000 a second (ISO/IEC 13818-1 §2.4.3.7).

/// Ticks per second.
pub(crate) const SECOND: i64 = 90_000;

/// Tells whether `ticks`, read from a file, can be a time of a recording: less than 25,000 years,
/// so that sums of a few such times fit as well.
pub(crate) fn is_time(ticks: i64) -> bool {
    ticks.unsigned_abs() < 1 << 56
}
