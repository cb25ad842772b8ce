//! cht-index: keeps `index.json`, which a UI or an agent reads from disk while the stream still
//! runs.
//!
//! `stage` reads events and passes them on. `indexes` keeps a few indexes open, `index` is one of
//! them on disk, and `frames` its content in memory, of `entry` elements. `ours` protects other
//! programs' files.
//!
//! It is a library so that fuzz targets reach the code that reads other programs' files.
//!
//! Imports: `stage` → `indexes` → `index` → {`frames` → `entry`, `ours` → `array`}.

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
