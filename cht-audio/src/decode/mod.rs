//! Runs ffmpeg as decoder: `nut` reads its output, `decoder` starts it.

pub(crate) mod decoder;
pub(crate) mod nut;
