//! Runs ffmpeg as decoder: `nut` reads its output, `watch` stops one that hangs, `decoder` starts
//! it.

pub(crate) mod decoder;
pub(crate) mod nut;
pub(crate) mod watch;
