//! The command line.

use std::path::PathBuf;

use cht_core::event::Reason;
use cht_ts::time::ticks;
use clap::{Parser, Subcommand};

use crate::{format::Format, rate::Rate, scene::Choice};

const EXAMPLES: &str = "\
Examples:
  cht-export list csv sessions/20261123_010203 --out scenes.csv
  cht-export list youtube sessions/20261123_010203 --min-length 30
  cht-export list srt sessions/20261123_010203 | head
  cht-export check sessions/20261123_010203
";

/// Writes the findings of a session in the formats of other programs. It changes nothing in a
/// session
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write scenes, chapters or subtitles to stdout or a file
    List(List),
    /// Compare the files of a session with its records
    Check(Check),
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Format of the list
    pub format: Format,
    /// Folder of a session, or an index.json
    pub session: PathBuf,
    /// Write to this file, when the list is complete [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Leave out everything before this time: seconds, or H:MM:SS
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<i64>,
    /// Leave out everything from this time on
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<i64>,
    /// Begin scenes at frames kept for these reasons [default: all but interval]
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = reason)]
    pub reason: Vec<Reason>,
    /// Begin no scene at a change with a lower score, 0 to 1
    #[arg(long, value_name = "SCORE", default_value_t = 0.0, value_parser = share)]
    pub min_score: f64,
    /// Join scenes shorter than this with the one before, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0,
          value_parser = cht_core::process::cli::seconds)]
    pub min_length: f64,
    /// Frame rate of the recording [default: that of its first segment]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Name this file as the recording, such as one that was converted
    #[arg(long, value_name = "FILE")]
    pub media: Option<PathBuf>,
}

impl List {
    /// Returns the choice of frames that begin a scene.
    pub(crate) fn choice(&self) -> Choice {
        Choice {
            reasons: self.reason.clone(),
            min_score: self.min_score,
            min_length: ticks(self.min_length),
            from: self.from,
            to: self.to,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Folder of a session, or an index.json
    pub session: PathBuf,
    /// Compare sizes only, and read no file
    #[arg(long)]
    pub quick: bool,
}

/// Parses a time as seconds, `MM:SS` or `H:MM:SS`, into ticks.
fn time(text: &str) -> Result<i64, &'static str> {
    const WRONG: &str = "must be seconds or H:MM:SS, such as 90.5 or 1:30:00";
    let mut seconds = 0.0;
    for (place, part) in text.split(':').enumerate() {
        let is_number = part.starts_with(|c: char| c.is_ascii_digit());
        let value: f64 = part.parse().map_err(|_| WRONG)?;
        let is_whole = place == 0 || (value < 60.0 && part.len() >= 2);
        if !is_number || !is_whole || !value.is_finite() || place > 2 {
            return Err(WRONG);
        }
        seconds = seconds * 60.0 + value;
    }
    if seconds < 1e9 { Ok(ticks(seconds)) } else { Err(WRONG) }
}

fn reason(text: &str) -> Result<Reason, &'static str> {
    match text {
        "first" => Ok(Reason::First),
        "scene" => Ok(Reason::Scene),
        "gradual" => Ok(Reason::Gradual),
        "screen" => Ok(Reason::Screen),
        "interval" => Ok(Reason::Interval),
        _ => Err("must be first, scene, gradual, screen or interval"),
    }
}

fn share(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("must be from 0 to 1")
}

/// Options that have an effect only with certain formats.
const EFFECTS: &[cht_core::process::cli::Effect<Args>] = &[];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse(EFFECTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_seconds_or_clock() {
        for (text, seconds) in [("0", 0.0), ("90.5", 90.5), ("1:30", 90.0), ("2:00:01.5", 7201.5)] {
            assert_eq!(time(text), Ok(ticks(seconds)), "{text}");
        }
        for wrong in ["", "-1", "1:5", "1:60", "1:2:3:4", "x", "1e12", "inf", "+1", ":30"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
