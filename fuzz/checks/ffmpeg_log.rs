//! What must hold of what ffmpeg says on stderr, into which a stream's metadata may get: nothing panics.

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    cht_scenes::fuzzing::ffmpeg_log(input);
}
