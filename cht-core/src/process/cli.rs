//! The common part of the command lines: one `main`, one way to refuse a terminal.

mod effect;
mod generate;
mod outline;
mod version;

use std::{error::Error, io::IsTerminal as _, process::ExitCode};

pub use super::cli::{
    effect::{Effect, parse, parse_stage},
    outline::Group,
    version::{COMMIT, NUMBER},
};
use super::{exit::Exit, report};

/// Runs a tool: names it in messages, prints the error it ends with, and gives its exit status.
///
/// A stdout that was closed by its reader is a quiet success, as for every filter.
pub fn run<E: AsRef<dyn Error + Send + Sync + 'static>>(
    stage: &'static str,
    tool: impl FnOnce() -> Result<(), E>,
) -> ExitCode {
    report::set_stage(stage);
    let exit = match tool() {
        Ok(()) => report::outcome(),
        Err(error) => {
            report::fail(chain(error.as_ref()));
            Exit::Failed
        }
    };
    report::finish();
    exit.into()
}

/// Returns an error and its causes on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Transparent and formatted sources of thiserror would appear twice.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

/// The error of a stage whose events would have to be typed.
#[derive(Debug, thiserror::Error)]
#[error("stdin is a terminal; {wants}, or see --help")]
pub struct Terminal {
    wants: &'static str,
}

/// Fails if stdin is a terminal; `wants` names the alternative.
pub fn refuse_terminal(wants: &'static str) -> Result<(), Terminal> {
    if std::io::stdin().is_terminal() { Err(Terminal { wants }) } else { Ok(()) }
}

/// Order of every `--help`: summary, examples, usage, options, exit status.
pub const HELP: &str = "{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Parses the value of an option in seconds, from `least` to a day: anything less would limit
/// nothing, or everything.
pub fn seconds_from(least: f64, text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (least..=DAY).contains(&seconds) => Ok(seconds),
        _ => Err(format!("must be a number of seconds from {least} to {DAY}")),
    }
}

/// Largest value of an option in seconds.
const DAY: f64 = 86_400.0;

/// Reads the value of an option in seconds, 0 to a day.
pub fn seconds(text: &str) -> Result<f64, String> {
    seconds_from(0.0, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number_within_limits() {
        assert_eq!((seconds("0"), seconds("0.5"), seconds("86400")), (Ok(0.0), Ok(0.5), Ok(DAY)));
        for wrong in ["", "-1", "-inf", "NaN", "inf", "1e300", "86400.1", "1s"] {
            assert_eq!(seconds(wrong).unwrap_err(), "must be a number of seconds from 0 to 86400");
        }
        assert_eq!(seconds_from(0.1, "0.1"), Ok(0.1));
        let wrong = seconds_from(0.1, "0").unwrap_err();
        assert_eq!(wrong, "must be a number of seconds from 0.1 to 86400");
    }
}
