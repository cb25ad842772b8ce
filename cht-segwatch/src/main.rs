//! cht-segwatch: finds finished segments, whoever wrote them, and examines each once, in order.

mod args;
mod emit;
mod finished;
mod follow;
mod list;
mod names;
mod pass;
mod pattern;
mod writers;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = args::parse();
    cht_core::process::cli::run("cht-segwatch", || {
        if args.follow {
            follow::follow(&args)
        } else if args.paths.is_empty() {
            pass::pass(&args)
        } else {
            list::list(&args)
        }
    })
}
