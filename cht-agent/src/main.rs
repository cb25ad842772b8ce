//! cht-agent: hands a recording to an AI agent or a script, while it still grows.
//!
//! Each reader gets every frame at least once, oldest first, with the text on it and the speech,
//! until it acknowledges it. Nothing here slows a stage: it only reads the session's files, writes
//! `agent/NAME.ndjson`, and appends marks to the journal of cht-index.
//!
//! Imports: `commands` → `mcp` → {`next`, `ack`, `follow`, `moment`, `search`, `budget`} →
//! {`recording`, `picture`, `query`, `unread`, `sessions`, `find`, `wait`, `view`} → `store`.

mod ack;
mod args;
mod budget;
mod commands;
mod find;
mod follow;
mod mcp;
mod moment;
mod next;
mod picture;
mod query;
mod recording;
mod search;
mod sessions;
mod store;
mod unread;
mod view;
mod wait;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = cht_core::process::cli::parse::<args::Args>(&[]);
    cht_core::process::cli::run("cht-agent", || commands::run(&args))
}
