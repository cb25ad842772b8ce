//! What must hold of a state of the detectors that anybody may have written: nothing panics when it is gone on from.

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    cht_scenes::fuzzing::state(input);
}
