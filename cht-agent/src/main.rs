//! cht-agent: hands a recording to an AI agent or a script, while it still grows.
//!
//! Each reader gets every frame at least once, oldest first, with the text on it and the speech,
//! until it acknowledges it. Nothing here slows a stage: it only reads the session's files, writes
//! `agent/NAME.ndjson`, and appends marks to the journal of cht-index.
//!
//! Imports: `commands` → `mcp` → {`next`, `ack`, `follow`, `budget`, `picture`} → {`unread`,
//! `sessions`, `find`, `wait`, `view`} → `store`.

mod ack;
mod args;
mod budget;
mod commands;
mod find;
mod follow;
mod mcp;
mod next;
mod picture;
mod sessions;
mod store;
mod unread;
mod view;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let args = args::Args::parse();
    cht_core::process::cli::run("cht-agent", || commands::run(&args))
}
