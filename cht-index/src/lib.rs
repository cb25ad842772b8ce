//! cht-index: keeps `index.json`, which a UI or an agent reads from disk while the stream still
//! runs.
//!
//! `stage` reads events and passes them on. `indexes` keeps a few indexes open, and `index` is one
//! of them on disk. `frames` knows in memory where its journal has which frame, `lines` reads them
//! there, and `entry` makes elements of them. `others` knows the events that are no frames, and
//! `transcript` makes files of their speech, by `subtitles`. `object` is the larger form of
//! `index.json`. `edits` reads changes by other programs, `pace` says when `index.json` is written,
//! and `ours` protects other programs' files.
//!
//! It is a library so that fuzz targets reach the code that reads other programs' files.
//!
//! Imports: `stage` → `indexes` → `index` → {`edits` → {`entry` → `frames`, `lines`}, `object`,
//! `transcript` → {`subtitles` → `others`, `pace`}, `ours` → `array` → `fields`}.

mod args;
mod array;
mod edits;
mod entry;
mod fields;
mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod indexes;
mod lines;
mod object;
mod others;
mod ours;
mod pace;
mod stage;
mod subtitles;
mod transcript;

use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-index", || stage::run(&args))
}
