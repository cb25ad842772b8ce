//! Properties of the reader of a decoder's sockets: it never panics, and never waits in vain.

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    cht_scenes::fuzzing::outputs(input);
}
