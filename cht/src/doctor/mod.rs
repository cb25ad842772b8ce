//! `doctor`: whether everything is there that the tools need, and how to mend it.
//!
//! Each check is a type that holds the facts, `look` gathers them, and `judge` is pure.
//!
//! In order, each using only those before it: `finding`, then one module for each subject.

mod disk;
mod ffmpeg;
mod finding;
mod gpu;
mod limits;
mod port;
mod programs;

use anyhow::Result;
use cht_core::process::exit::Exit;

use crate::{args::Doctor, output, table};
use finding::{Finding, State};

/// Checks this machine, and prints all findings.
pub(crate) fn doctor(options: &Doctor) -> Result<Exit> {
    let mut findings = vec![programs::Tools::look().judge()];
    let program = ffmpeg::Program::look(&options.ffmpeg);
    findings.push(program.judge());
    if program.is_usable() {
        findings.push(ffmpeg::Parts::look(&options.ffmpeg).judge());
    }
    findings.push(gpu::Gpu::look(&options.ffmpeg).judge());
    findings.push(disk::Disk::look(options.sessions.path()).judge());
    findings.extend(port::both().map(|port| port.judge()));
    findings.push(limits::Inotify::look().judge());
    findings.push(limits::Descriptors::look().judge());
    findings.push(programs::Players::look().judge());
    findings.push(programs::Helpers::look().judge());
    output::print(&finding::text(&findings, table::width()))?;
    let is_missing = |finding: &Finding| finding.state == State::Missing;
    Ok(if findings.iter().any(is_missing) { Exit::Partial } else { Exit::Done })
}
