//! cht-audio: cuts the sound of a stream into pieces for a transcriber.
//!
//! One decoder runs through consecutive segments: the samples of all pieces, one after another, are
//! those of the stream. A piece ends in a pause. `docs/audio.md` has the rules.
//!
//! The folders import each other in this order: `stage` → `feed` → `piece` → `decode`, `options`,
//! `counters` → `args` → `sound` and `select`.

mod args;
mod counters;
mod decode;
mod feed;
mod options;
mod piece;
mod select;
mod sound;
mod stage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-audio", || stage::run(args))
}
