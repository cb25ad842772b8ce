//! `--version`: the commit that the program was built from, and the ffmpeg that it would run.

use std::{
    env,
    ffi::OsString,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Command;

use crate::process::{ffmpeg::Program, programs};

/// Version of all tools.
pub const NUMBER: &str = env!("CARGO_PKG_VERSION");

/// Commit of a release that was built in a checkout.
pub const COMMIT: Option<&str> = option_env!("CHT_COMMIT");

/// Writes the lines after name and number, where the command line asks for the version in full.
pub(super) fn describe(command: &Command) {
    if !env::args_os().any(|argument| argument == "--version") {
        return;
    }
    let mut lines = Vec::new();
    lines.extend(COMMIT.map(|commit| format!("commit {commit}")));
    if runs_ffmpeg(command) {
        lines.push(match named(env::args_os(), env::var_os("CHT_FFMPEG")) {
            Ok(path) => ffmpeg(&path),
            Err(error) => error,
        });
    }
    // Name and number are written already.
    let _ = lines.iter().try_for_each(|line| writeln!(io::stdout(), "{line}"));
}

fn runs_ffmpeg(command: &Command) -> bool {
    command.get_arguments().any(|argument| argument.get_id() == "ffmpeg")
        || command.get_subcommands().any(runs_ffmpeg)
}

/// Returns the ffmpeg that the command line or the environment names.
fn named(
    arguments: impl Iterator<Item = OsString>,
    variable: Option<OsString>,
) -> Result<PathBuf, String> {
    let mut arguments = arguments.skip_while(|argument| argument != "--ffmpeg");
    if arguments.next().is_some() {
        let path = arguments.next().ok_or("--ffmpeg names no program")?;
        return Ok(path.into());
    }
    Ok(variable.unwrap_or_else(|| "ffmpeg".into()).into())
}

fn ffmpeg(path: &Path) -> String {
    match Program::version_of(path) {
        Ok(version) => format!("ffmpeg {version} ({})", in_path(path).display()),
        Err(error) => error.to_string(),
    }
}

/// Returns the place of a program that is named without a folder.
fn in_path(name: &Path) -> PathBuf {
    let is_bare = name.components().count() == 1;
    let found = name.to_str().filter(|_| is_bare).and_then(programs::in_path);
    found.unwrap_or_else(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ffmpeg_is_named_by_option_then_by_variable() {
        let of = |line: &str, variable: Option<&str>| {
            named(line.split(' ').map(OsString::from), variable.map(OsString::from))
        };
        assert_eq!(of("x --ffmpeg /a --version", Some("/b")), Ok("/a".into()));
        assert_eq!(of("x --version", Some("/b")), Ok("/b".into()));
        assert_eq!(of("x --version", None), Ok("ffmpeg".into()));
        assert!(of("x --version --ffmpeg", None).is_err());
    }
}
