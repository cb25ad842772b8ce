//! cht-page: shows sessions in a browser, as files or by a server, while they still grow.
//!
//! It reads the index, the record and the transcript; pictures and video stay where they are.
//! Everything that the browser runs is in `web/`, and compiled into the program.
//!
//! Imports: {`folder` → `video`, `serve`} → `data` → {`source` → `item`, `streams`, `assets`}.

mod args;
mod assets;
mod data;
mod folder;
mod item;
mod serve;
mod source;
mod streams;
mod video;

use std::process::ExitCode;

use args::Command;

fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-page", || match &args.command {
        Command::Build(options) => folder::build(options),
        Command::Serve(options) => serve::run(options),
    })
}
