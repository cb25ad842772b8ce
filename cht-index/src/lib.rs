//! cht-index: keeps `index.json`, which a UI or an agent reads from disk while the stream still
//! runs.
//!
//! `stage` reads events and passes them on. `indexes` keeps a few indexes open, and `index` is one
//! of them on disk: `contents` is its journal, and `snapshot` its `index.json`. `stored` reads
//! lines of the journal, `frames` knows in memory where it has which frame, `lines` reads them
//! there, and `entry` makes elements of them. `others` knows the events that are no frames, and
//! `transcript` makes files of their speech, by `subtitles`. `frozen` is the state that is written
//! to `index.json`, `object` its larger form. `edits` reads changes by other programs, `pace` says
//! when `index.json` is written, and `ours` protects other programs' files. `counters` counts what
//! comes and what is written, `metrics` shows it to Prometheus, and `output` is stdout.
//!
//! It is a library so that fuzz targets reach the code that reads other programs' files.
//!
//! Imports: `stage` → `indexes` → {`output` → `metrics` → `counters`} → `index` → {`snapshot` →
//! `frozen` → `object`, `transcript` → {`subtitles` → `others`, `pace`}} → `contents` → {`edits` →
//! `entry`, `stored`, `ours`} → {`frames`, `lines`, `array` → `fields`}.

mod args;
mod array;
mod contents;
mod counters;
mod edits;
mod entry;
mod fields;
mod frames;
mod frozen;
#[doc(hidden)]
pub mod fuzzing;
mod index;
mod indexes;
mod lines;
mod metrics;
mod object;
mod others;
mod ours;
mod output;
mod pace;
mod snapshot;
mod stage;
mod stored;
mod subtitles;
mod transcript;

use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-index", || stage::run(&args))
}
