//! Properties of a saved state of the detectors: continuing from it never panics.

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    cht_scenes::fuzzing::state(input);
}
