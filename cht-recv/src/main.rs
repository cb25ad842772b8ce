//! cht-recv: records an MPEG-TS stream that arrives, bit for bit.
//!
//! The recorder comes first: nothing behind its stdout can slow it, and what it received is on disk
//! under a final name before anybody hears of it. `docs/recording.md` has the life of a segment.

mod accept;
mod address;
mod adopt;
mod allow;
mod announce;
mod args;
mod begins;
mod bounds;
mod candidates;
mod closer;
mod cutter;
mod disk;
mod door;
mod fetch;
mod foreign;
mod group;
mod guard;
mod health;
mod input;
mod listen;
mod losses;
mod metrics;
mod pace;
mod place;
mod playlist;
mod playlist_file;
mod port;
mod pulse;
mod recorder;
mod recover;
mod retention;
mod rtp;
mod run;
mod scrape;
mod sender;
mod service;
mod size;
mod source;
mod stdin;
mod survey;
mod takeover;
mod tls;
mod unix;
mod veil;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = guard::become_if_asked() {
        return exit;
    }
    let args = args::parse();
    cht_core::process::cli::run("cht-recv", || listen::record(&args))
}
