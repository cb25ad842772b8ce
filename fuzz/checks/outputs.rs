//! What must hold of what a decoder gives over its sockets: nothing panics, and nothing is waited for in vain.

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    cht_scenes::fuzzing::outputs(input);
}
