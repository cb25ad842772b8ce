//! cht-batch: works on old recordings by the thousand, by the stages of cht.
//!
//! It finds units (`plan`), runs the stages over each as child processes (`run`), and keeps the
//! results (`store`). Nothing of the stages is in it: they meet in pipes and files.
//!
//! Imports: {`commands`, `status`, `merge`} → {`progress`, `summary`, `interrupt`} → `run` →
//! `store` → `plan` → {`unit`, `root`}.

mod args;
mod commands;
mod interrupt;
mod kind;
mod merge;
mod plan;
mod progress;
mod root;
mod run;
mod settings;
mod status;
mod store;
mod summary;
mod unit;

use std::process::ExitCode;

use args::Command;

/// Exit status that asks for another run: `EX_TEMPFAIL` of sysexits.h.
const TRY_AGAIN: u8 = 75;

fn main() -> ExitCode {
    if let Some(exit) = cht_core::process::die_with_parent::become_if_asked("cht-batch") {
        return exit;
    }
    let args = args::parse();
    let (mut has_failed, mut is_to_be_retried) = (false, false);
    let exit = cht_core::process::cli::run("cht-batch", || match &args.command {
        Command::Plan(args) => commands::plan(args),
        Command::Run(args) => match commands::run(args) {
            Ok(summary) => {
                has_failed = summary.has_failed();
                is_to_be_retried = summary.is_to_be_retried();
                Ok(())
            }
            Err(error) => {
                is_to_be_retried = error.is::<run::Killed>();
                Err(error)
            }
        },
        Command::Status(args) => status::status(args),
        Command::Merge(args) => merge::merge(args),
    });
    match (is_to_be_retried, has_failed) {
        (true, _) => ExitCode::from(TRY_AGAIN),
        (false, true) => ExitCode::from(1),
        (false, false) => exit,
    }
}
