//! Runs a plan, as a shell would: the stages are joined by pipes and share this process's terminal.
//!
//! A pipeline ends by itself at the end of its source. The first Ctrl-C or `kill` is meant for the
//! source, and the other stages finish their work (`cht_core::process::signals`); a second one ends
//! all of them. If this process is killed, the stages go on: the pipes are theirs.
//!
//! In order, each using only those before it: `status`, `stop` (signals), `child`, `trial` (stages
//! refuse options before the source starts), `pipe`.

mod child;
mod pipe;
mod status;
mod stop;
mod trial;

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context as _, Result};
use cht_core::{process::exit::Exit, storage::regular};

use crate::{
    origin, output,
    plan::{FRAME, Plan, Step},
    programs,
};
use child::Child;
pub(crate) use pipe::AtEnd;
pub(crate) use stop::Stop;
pub(crate) use trial::check;

/// Prints plans as one script.
pub(crate) fn print(plans: &[Plan]) -> Result<()> {
    let scripts = plans.iter().map(|plan| plan.shell(programs::word));
    output::print(&scripts.collect::<String>())
}

/// Tells whether the journal of an index has a frame.
pub(crate) fn has_frame(journal: &Path) -> Result<bool> {
    let file = match regular::open(journal) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.with_context(|| journal.display().to_string())?,
    };
    for line in BufReader::new(file).lines() {
        if line.with_context(|| journal.display().to_string())?.contains(FRAME) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs a plan whose stages were checked. Calls `at_end` when the source of the first pipe has
/// ended by itself, with its exit status. Returns the worst exit status of the stages.
pub(crate) fn run(plan: &Plan, stop: &mut Stop, at_end: &mut AtEnd<'_>) -> Result<Exit> {
    let (mut server, mut worst) = (None, Exit::Done);
    let mut is_first = true;
    for step in &plan.steps {
        // A later step works on the result of those before it.
        if stop.insists() || worst == Exit::Failed {
            break;
        }
        match step {
            Step::Folder(path) => fs::create_dir_all(path).with_context(|| path.clone())?,
            Step::Remove(paths) => origin::remove(paths)?,
            Step::IfFrame(file, _) if !has_frame(Path::new(file))? => {}
            Step::IfFrame(_, stage) => {
                worst = worst.max(pipe::run(stage, stop, &mut |_| Ok(()))?);
            }
            Step::Pipe(stages) => {
                if let (None, Some(stage)) = (&server, &plan.server) {
                    server = Some(Child::server(stage)?);
                }
                let is_source = std::mem::take(&mut is_first);
                let ended = &mut |exit| if is_source { at_end(exit) } else { Ok(()) };
                worst = worst.max(pipe::run(stages, stop, ended)?);
            }
        }
    }
    if stop.insists() {
        cht_core::process::status::clear();
    }
    if let Some(server) = server {
        server.ask_to_end();
        server.wait()?;
    }
    Ok(worst)
}
