//! cht-monitor: shows a session live, in ffplay or any other player.
//!
//! It reads only the files that the recorder writes: a player that stalls or is closed does not
//! affect the recording.
//!
//! Imports: `show` → {`begin`, `player`, `catch_up` → {`playout`, `stamps`}} → `args`.

mod args;
mod begin;
mod catch_up;
mod player;
mod playout;
mod show;
mod stamps;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-monitor", || show::show(&args))
}
