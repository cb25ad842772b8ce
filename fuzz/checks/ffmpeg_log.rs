//! Properties of the reader of ffmpeg's stderr, which may hold metadata of the stream: it never
//! panics.

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    cht_scenes::fuzzing::ffmpeg_log(input);
}
