//! Child programs that end when cht-recv does, even if it is killed: a listening ffmpeg would keep
//! its port.
//!
//! The kernel does that for a program that asks for it itself, before it becomes ffmpeg. So
//! cht-recv starts itself, asks, and becomes ffmpeg. Asking between fork and exec would need
//! `unsafe`.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::report::systemd;

/// Argument that starts this mode. It is for internal use, and so not in `--help`.
const REQUEST: &str = "--become-until-parent-ends";

/// Returns a command that runs `command` and is killed when the thread that started it ends.
pub(crate) fn guarded(command: &Command) -> Command {
    // The file of this program may have been replaced since it was started.
    let mut guard = Command::new("/proc/self/exe");
    guard.arg(REQUEST).arg(std::process::id().to_string()).arg(command.get_program());
    guard.args(command.get_args());
    // The service manager's requests are for cht-recv, not for ffmpeg.
    for variable in systemd::VARIABLES {
        guard.env_remove(variable);
    }
    guard
}

/// Becomes the program that the arguments name, if they ask for it. Returns only if they do not, or
/// if it fails.
pub(crate) fn become_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(REQUEST)) {
        return None;
    }
    let parent = arguments.next()?.to_str()?.parse().ok()?;
    let program = arguments.next()?;
    Some(cht_core::process::cli::run("cht-recv", || -> anyhow::Result<()> {
        Err(become_program(parent, &program, arguments))
    }))
}

fn become_program(
    parent: u32,
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> anyhow::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return anyhow::Error::new(error).context("PR_SET_PDEATHSIG");
    }
    // The parent may have ended before the request.
    if getppid().is_none_or(|id| id.as_raw_nonzero().get() as u32 != parent) {
        return anyhow::anyhow!("cht-recv has ended");
    }
    let error = Command::new(program).args(arguments).exec();
    anyhow::Error::new(error).context(program.to_string_lossy().into_owned())
}
