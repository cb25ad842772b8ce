//! How much a tool tells people, and in which form: options that all tools share.

use std::sync::OnceLock;

use clap::{Arg, ArgAction, ArgMatches, Command};

/// The options as they were given.
#[derive(Debug, Clone, Copy, Default)]
struct Verbosity {
    is_quiet: bool,
    is_verbose: bool,
    wants_json: bool,
}

static GIVEN: OnceLock<Verbosity> = OnceLock::new();

/// Heading of the options in `--help`.
const HEADING: &str = "Messages";

/// Adds `--quiet` and `--verbose` to a command line.
pub(super) fn declare(command: Command) -> Command {
    command
        .arg(
            flag("quiet", "Print warnings and errors only, and no status line")
                .short('q')
                .conflicts_with("verbose"),
        )
        .arg(
            flag("verbose", "Print more: each segment, and a summary also where no terminal is")
                .short('v'),
        )
}

/// Adds `--json` to the command line of a stage.
pub(super) fn declare_json(command: Command) -> Command {
    command.arg(flag("json", "Write events as JSON, also to a terminal"))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .help(help)
        .help_heading(HEADING)
        .action(ArgAction::SetTrue)
        .global(true)
        .display_order(1000)
}

/// Remembers the options of this process.
pub(super) fn set(matches: &ArgMatches) {
    // Some options are those of one command only.
    let levels = [Some(matches), matches.subcommand().map(|(_, matches)| matches)];
    let is_in =
        |matches: &ArgMatches, name| matches!(matches.try_get_one::<bool>(name), Ok(Some(true)));
    let is_given = |name| levels.iter().flatten().any(|matches| is_in(matches, name));
    let given = Verbosity {
        is_quiet: is_given("quiet"),
        is_verbose: is_given("verbose"),
        wants_json: is_given("json"),
    };
    let _ = GIVEN.set(given);
}

fn given() -> Verbosity {
    GIVEN.get().copied().unwrap_or_default()
}

/// Tells whether people want warnings and errors only.
#[must_use]
pub fn is_quiet() -> bool {
    given().is_quiet
}

/// Tells whether people want to know more.
#[must_use]
pub fn is_verbose() -> bool {
    given().is_verbose
}

/// Tells whether a terminal gets events as JSON.
#[must_use]
pub fn wants_json() -> bool {
    given().wants_json
}
