//! cht-recv: records an MPEG-TS stream that arrives over TCP or TLS, bit for bit.
//!
//! The recorder comes first: nothing behind its stdout can slow it, and what it received is on disk
//! under a final name before anybody hears of it. `docs/recording.md` has the life of a segment.

mod accept;
mod address;
mod allow;
mod announce;
mod args;
mod closer;
mod cutter;
mod disk;
mod health;
mod listen;
mod metrics;
mod pace;
mod playlist;
mod playlist_file;
mod pulse;
mod recorder;
mod recover;
mod scrape;
mod sender;
mod service;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::parse();
    cht_core::cli::run("cht-recv", || listen::record(&args))
}
