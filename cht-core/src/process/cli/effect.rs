//! Reports options without effect, and where they have one.

use std::{env, process};

use clap::{
    ArgMatches, Command, CommandFactory, FromArgMatches, error::ErrorKind, parser::ValueSource,
};

use super::{
    generate,
    outline::{self, Group},
    version,
};
use crate::process::verbosity;

/// An option, and when it does something.
#[derive(Debug, Clone, Copy)]
pub struct Effect<A> {
    /// The field of the option.
    pub option: &'static str,
    /// Whether it does anything next to the other ones.
    pub is_there: fn(&A) -> bool,
    /// Where it does, as the end of a sentence: `with --detect scene`.
    pub place: &'static str,
}

/// Parses the command line of this process. An option on it without effect ends the process as
/// wrong usage does; one in the environment may be meant for another tool.
#[must_use]
pub fn parse<A: CommandFactory + FromArgMatches>(effects: &[Effect<A>]) -> A {
    parse_as(effects, outline::shorten(command::<A>()))
}

/// Parses the command line of a stage: a tool that writes events to stdout, and has many options.
#[must_use]
pub fn parse_stage<A: CommandFactory + FromArgMatches>(
    effects: &[Effect<A>],
    groups: &[Group],
) -> A {
    let command = verbosity::declare_json(command::<A>());
    parse_as(effects, outline::shorten(outline::group(command, groups)))
}

fn parse_as<A: FromArgMatches>(effects: &[Effect<A>], mut command: Command) -> A {
    generate::if_asked(&command);
    let matches = command.try_get_matches_from_mut(env::args_os()).unwrap_or_else(|error| {
        if error.kind() == ErrorKind::DisplayVersion {
            let _ = error.print();
            version::describe(&command);
            process::exit(0);
        }
        error.exit()
    });
    verbosity::set(&matches);
    let args = A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Some(message) = useless(effects, &args, &matches) {
        command.error(ErrorKind::ArgumentConflict, message).exit();
    }
    args
}

/// Returns the command line with the options of all tools.
fn command<A: CommandFactory>() -> Command {
    with_negative_values(verbosity::declare(A::command()))
}

/// Makes a number or a time below zero a value that its option refuses, not an option of its own.
fn with_negative_values(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        let names = arg.get_value_names().unwrap_or_default();
        // `-1:30` is no number.
        let is_time = names.iter().any(|name| name.ends_with("TIME"));
        match arg.get_action().takes_values() && !arg.is_positional() {
            true if is_time => arg.allow_hyphen_values(true),
            true => arg.allow_negative_numbers(true),
            false => arg,
        }
    });
    command.mut_subcommands(with_negative_values)
}

/// Returns the error about the first option without effect.
fn useless<A>(effects: &[Effect<A>], args: &A, matches: &ArgMatches) -> Option<String> {
    let is_useless =
        |effect: &&Effect<A>| is_given(effect.option, matches) && !(effect.is_there)(args);
    let Effect { option, place, .. } = effects.iter().find(is_useless)?;
    let option = option.replace('_', "-");
    Some(format!("--{option} has no effect here; it has one {place}"))
}

/// Tells whether an option stands on the command line, of the tool or of a subcommand.
fn is_given(option: &str, matches: &ArgMatches) -> bool {
    let is_known = matches.try_contains_id(option).is_ok();
    let is_here = is_known && matches.value_source(option) == Some(ValueSource::CommandLine);
    is_here || matches.subcommand().is_some_and(|(_, inner)| is_given(option, inner))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Args {
        #[arg(long)]
        soup: bool,
        #[arg(long, default_value_t = 1)]
        soup_spoons: u8,
    }

    #[test]
    fn option_without_effect_is_named_with_the_place_where_it_has_one() {
        let effects: &[Effect<Args>] =
            &[Effect { option: "soup_spoons", is_there: |args| args.soup, place: "with --soup" }];
        let said = |line: &[&str]| {
            let matches = Args::command().get_matches_from(line);
            let args = Args::from_arg_matches(&matches).unwrap();
            assert!(args.soup_spoons > 0);
            useless(effects, &args, &matches)
        };
        let wrong = command::<Args>().try_get_matches_from(["eat", "--soup-spoons", "-1"]);
        assert_eq!(wrong.unwrap_err().kind(), ErrorKind::ValueValidation);
        assert_eq!(said(&["eat"]), None, "the default is not given");
        assert_eq!(said(&["eat", "--soup", "--soup-spoons", "2"]), None);
        let message = "--soup-spoons has no effect here; it has one with --soup";
        assert_eq!(said(&["eat", "--soup-spoons", "2"]).as_deref(), Some(message));
    }
}
