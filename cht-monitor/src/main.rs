//! cht-monitor: shows a session live, in ffplay or any other player, through a FIFO or HTTP.
//!
//! It reads only the files that the recorder writes: a player that stalls or is closed does not
//! affect the recording. The stream itself, its places to begin and its viewers' buffers are in
//! `cht_core::live`.
//!
//! Imports: `show` → {`play` → `start` → `decoder`, `fifo`, `http`} → `source` → {`stream` →
//! `sessions`, `status`} → `args`.

mod args;
mod decoder;
mod fifo;
mod http;
mod play;
mod sessions;
mod show;
mod source;
mod start;
mod status;
mod stream;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-monitor", || show::show(&args))
}
