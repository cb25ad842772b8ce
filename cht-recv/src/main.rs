//! cht-recv: records an MPEG-TS stream that arrives, bit for bit.
//!
//! The recorder comes first: nothing behind its stdout can slow it, and what it received is on disk
//! under a final name before anybody hears of it. `docs/recording.md` has the life of a segment.

mod args;
mod disk;
mod input;
mod rate_limit;
mod record;
mod report;
mod server;
mod units;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = input::ffmpeg::die_with_parent::become_if_asked() {
        return exit;
    }
    let args = args::parse();
    cht_core::process::cli::run("cht-recv", || server::record(&args))
}
