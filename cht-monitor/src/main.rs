//! cht-monitor: shows a session live, in ffplay or any other player.
//!
//! It reads the files that the recorder writes and nothing else: a player that stalls, or is closed, is no
//! matter to the recording.

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
