//! cht: the front of the tools, for people at a terminal.
//!
//! It runs the other tools with pipes between them, as a shell does, and nothing of theirs is in
//! it: `--print` writes the same as shell. `live` and `file` plan such pipelines, `show` and
//! `sessions` read the ends of a session's files, `doctor` looks at the machine.
//!
//! Imports: `main` → {`live`, `file`, `show`, `sessions`, `doctor`, `help`} → {`run`, `session`,
//! `origin`} → {`material`, `programs`, `plan`} → `args` and the plain modules (`quote`, `sheet`,
//! `table`, `words`, `output`).

mod args;
mod doctor;
mod file;
mod help;
mod live;
mod material;
mod origin;
mod output;
mod plan;
mod programs;
mod quote;
mod received;
mod run;
mod session;
mod sessions;
mod sheet;
mod show;
mod table;
mod words;

use std::process::ExitCode;

use args::Command;
use cht_core::process::{cli, exit::Exit};

fn main() -> ExitCode {
    let args = args::parse();
    let mut stages = Exit::Done;
    let own = cli::run("cht", || {
        stages = match &args.command {
            Command::Live(options) => live::live(options)?,
            Command::File(options) => file::file(options)?,
            Command::Show(options) => show::show(options)?,
            Command::Sessions(options) => sessions::sessions(options)?,
            Command::Doctor(options) => doctor::doctor(options)?,
            Command::Help(options) => help::help(options)?,
        };
        anyhow::Ok(())
    });
    // A stage that failed has said why.
    if stages == Exit::Done { own } else { stages.into() }
}
