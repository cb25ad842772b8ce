//! Child programs that end when the tool that started them does, even if that is killed: a
//! listening ffmpeg would keep its port, a stage would go on in a folder that the next run uses.
//!
//! The kernel does that for a program that asks for it itself, before it becomes the child. So the
//! tool starts itself, asks, and becomes the child. Asking between fork and exec would need
//! `unsafe`.

use std::{
    error::Error,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::cli;

/// Argument that starts this mode. It is for internal use, and so not in `--help`.
const REQUEST: &str = "--become-until-parent-ends";

/// Returns a command that runs `command` and is killed when the thread that started it ends. The
/// tool calls [`become_if_asked`] first of all. The folder and changes of the environment of
/// `command` are taken over.
#[must_use]
pub fn guarded(command: &Command) -> Command {
    // The file of this program may have been replaced since it was started.
    let mut guard = Command::new("/proc/self/exe");
    guard.arg(REQUEST).arg(std::process::id().to_string()).arg(command.get_program());
    guard.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        guard.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => guard.env(name, value),
            None => guard.env_remove(name),
        };
    }
    guard
}

/// Becomes the program that the arguments name, if they ask for it. Returns only if they do not, or
/// if it fails. `tool` names this program in the message.
#[must_use]
pub fn become_if_asked(tool: &'static str) -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().as_deref() != Some(OsStr::new(REQUEST)) {
        return None;
    }
    let parent = arguments.next()?.to_str()?.parse().ok()?;
    let program = arguments.next()?;
    Some(cli::run(tool, || -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(become_program(parent, &program, arguments))
    }))
}

fn become_program(
    parent: u32,
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> Box<dyn Error + Send + Sync> {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return format!("PR_SET_PDEATHSIG: {error}").into();
    }
    // The parent may have ended before the request.
    if getppid().is_none_or(|id| id.as_raw_nonzero().get() as u32 != parent) {
        return "the program that started this one has ended".into();
    }
    let error = Command::new(program).args(arguments).exec();
    format!("{}: {error}", program.display()).into()
}
