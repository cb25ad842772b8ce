//! cht-scenes: picks the frames where the picture changed, and writes them as pictures.
//!
//! One decoder runs through consecutive segments (a cut may fall on their boundary), ffmpeg computes its scene score inside
//! it, and only pictures that may be kept leave it. `docs/scenes.md` has the rules.
//!
//! Public are functions without I/O: [`measure`] turns the luma of each frame into a few numbers; [`detect`] decides on
//! nothing but these numbers, so that a decision can be taken again without decoding. The program itself is in the
//! library as well, so that fuzz targets reach its parsers.

// The program says `cht_scenes::measure`, as any other user of the two does.
extern crate self as cht_scenes;

pub mod detect;
#[doc(hidden)]
pub mod fuzzing;
pub mod measure;

mod args;
mod backlog;
mod catch_up;
mod course;
mod decoder;
mod decoding;
mod detector;
mod disk;
mod feed;
mod fetch;
mod follows;
mod frame;
mod gops;
mod graph;
mod hwaccel;
mod interrupt;
mod jobs;
mod lag;
mod lines;
mod measured;
mod options;
mod outputs;
mod parameters;
mod pass;
mod pause;
mod picker;
mod picture;
mod prefilter;
mod rescore;
mod scores;
mod scout;
mod stage;
mod stats;
mod store;
mod stretch;
mod video;

use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-scenes", || stage::run(args))
}
