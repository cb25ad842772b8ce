//! What must hold of the header of an MP4: it is read to an end, and times are those of a file.

use cht_core::mp4;

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    let read = |at: u64, length: usize| {
        let begin = usize::try_from(at).unwrap_or(input.len()).min(input.len());
        Ok(input[begin..begin.saturating_add(length).min(input.len())].to_vec())
    };
    let movie = mp4::read(&read, input.len() as u64).expect("bytes in memory are read");
    if let Some(movie) = movie {
        assert!(movie.duration.is_none_or(|seconds| seconds > 0.0), "{movie:?}");
        assert!(movie.hidden.iter().all(|seconds| *seconds >= 0.0), "{movie:?}");
    }
}
