//! cht-index: keeps `index.json`, what a UI or an agent reads from disk while the stream still runs.
//!
//! A library, so that fuzz targets reach what reads files of others.

mod args;
mod array;
mod entry;
mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod indexes;
mod ours;
mod stage;

use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-index", || stage::run(&args))
}
