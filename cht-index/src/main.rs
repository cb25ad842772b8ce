//! cht-index: keeps `index.json`, what a UI or an agent reads from disk while the stream still runs.

mod args;
mod index;
mod stage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::parse();
    cht_core::cli::run("cht-index", || stage::run(&args))
}
