//! cht-recv: records an MPEG-TS stream that arrives, bit for bit.
//!
//! The recorder comes first: no reader of its stdout can slow it, and what it received is on disk
//! under its final name before an event names it. `docs/recording.md` describes the life of a
//! segment.
//!
//! Imports: `main` → `server` → {`start`, `turn`} → `args` → {`input`, `record`} → `report` → the
//! plain modules (`disk`, `rate_limit`, `received`, `session_time`).

mod args;
mod disk;
mod input;
mod rate_limit;
mod received;
mod record;
mod report;
mod server;
mod session_time;
mod start;
mod turn;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(exit) = cht_core::process::die_with_parent::become_if_asked("cht-recv") {
        return exit;
    }
    let args = args::parse();
    cht_core::process::cli::run("cht-recv", || server::record(&args))
}
