//! cht-scenes: selects the frames where the picture changes, and writes them as pictures.
//!
//! One decoder runs through consecutive segments, since a cut may fall on their boundary. ffmpeg
//! computes the scene score in it, and outputs only pictures that may be kept. `docs/scenes.md` has
//! the rules.
//!
//! [`cht_detect`] turns the luma of each frame into a few numbers, and decides on these numbers
//! alone, so that a decision can be taken again without decoding.
//!
//! The program is a library so that fuzz targets reach its parsers. Its folders import each other
//! in this order: `stage` → `feed` → `select` → `parallel` → `decode` → `track`, `lag`, `stats`,
//! `cli` and `input`.

#[doc(hidden)]
pub mod fuzzing;

mod cli;
mod decode;
mod feed;
mod input;
mod lag;
mod parallel;
mod select;
mod stage;
mod stats;
mod track;

use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let args = cli::args::parse();
    cht_core::process::cli::run("cht-scenes", || stage::run(args))
}
