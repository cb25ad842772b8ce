//! The two lengths of help: `-h` has the options that most people want, on one screen; `--help` has
//! examples first, all options in groups, and the exit status.

use std::env;

use clap::{Arg, Command, builder::Resettable};

/// A heading of `--help`, and the fields of the options below it. Those without a heading come
/// first, and are all that `-h` shows.
pub type Group = (&'static str, &'static [&'static str]);

/// Where `-h` ends.
const MORE: &str = "More options, examples and the exit status: --help";

/// Puts options below their headings.
pub(super) fn group(mut command: Command, groups: &[Group]) -> Command {
    for (heading, options) in groups {
        for option in *options {
            command = command.mut_arg(option, |arg| arg.help_heading(*heading));
        }
    }
    command
}

/// Gives a command line, and its commands, both lengths.
pub(super) fn shorten(command: Command) -> Command {
    let examples = command.get_before_help().cloned();
    let end = command.get_after_help().cloned();
    // Variables have a page of their own.
    let is_short = env::args_os().any(|argument| argument == "-h");
    let command = command.mut_args(|arg: Arg| {
        let is_grouped = arg.get_help_heading().is_some();
        let hides_variable = is_short || arg.is_hide_env_set();
        arg.hide_short_help(is_grouped).hide_env(hides_variable)
    });
    let command = match (examples, end) {
        (None, None) => command,
        (examples, end) => command
            .before_long_help(Resettable::from(examples))
            .before_help(Resettable::Reset)
            .after_long_help(Resettable::from(end))
            .after_help(MORE),
    };
    command.mut_subcommands(shorten)
}
