//! cht-export: writes the findings of a session in the formats of other programs.
//!
//! It reads a session or an index, and changes nothing there. Lists need no decoding: their times
//! are those of the index, and the frame rate is read from the packets of one segment.
//!
//! Imports: `export` → {`args`, `check`, `format` → `scene`} → `recording` → `rate`.

mod args;
mod check;
mod clip;
mod export;
mod ffmpeg;
mod format;
mod output;
mod pictures;
mod place;
mod rate;
mod rebuild;
mod recording;
mod scene;
mod segments;
mod timecode;
mod unrecorded;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = cht_core::process::die_with_parent::become_if_asked("cht-export") {
        return exit;
    }
    let args = args::parse();
    cht_core::process::cli::run("cht-export", || export::run(&args))
}
