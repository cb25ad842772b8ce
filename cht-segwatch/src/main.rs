//! cht-segwatch: finds finished segments of any program, and examines each once, in order.
//!
//! Three ways lead to a segment: `pass` reads events and paths on stdin, `list` expands what the
//! command line names, and `follow` watches folders that grow. All three examine and emit through
//! `emit`; `finished` and `writers` tell whether another program's file is complete, `names` and
//! `pattern` which files are segments.
//!
//! Imports: {`pass`, `list`, `follow`} → `emit`, `args`, `finished` → {`names`, `writers`}.

mod args;
mod emit;
mod finished;
mod follow;
mod list;
mod names;
mod pass;
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
