//! The command line.

use std::path::PathBuf;

use cht_core::process::cli::Effect;
use clap::{Parser, Subcommand, ValueEnum};
use jiff::{Timestamp, civil, tz::TimeZone};

use crate::settings::Stage;

const EXAMPLES: &str = "\
Examples:
  cht-batch run /srv/camera --out /srv/frames
  cht-batch run /srv/cam --out /srv/out -- --detect scene --threshold 0.3
  cht-batch plan /srv/camera | cht-batch run - --out /srv/frames
  cht-batch plan /srv/camera | jq -r 'select(.key)|[.key,.hours]|@tsv'
  cht-batch status --out /srv/frames
  cht-batch merge /srv/frames --to all.ndjson
";

/// Table of exit statuses in `--help`.
const TABLE: &str = "\
Exit status:
  0   everything was done
  1   some input failed for good; it was named on stderr, and the rest was done
  2   wrong usage, or it could not start; the message says why
  75  some units have to be tried again: run the same command later
  130 a second Ctrl-C ended it at once (a second SIGTERM: 143): the same";

/// Works on old recordings by the thousand: finds units in folders of any recorder, and does each
/// once, by the stages of cht
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the units in folders, one line of JSON each
    #[command(after_help = TABLE)]
    Plan(PlanArgs),
    /// Work on units, and put the result of each in a folder of --out
    #[command(after_help = TABLE)]
    Run(RunArgs),
    /// Print how far the units are, one line of JSON each
    #[command(after_help = TABLE)]
    Status(StatusArgs),
    /// Join the indexes of all results
    #[command(after_help = TABLE)]
    Merge(MergeArgs),
}

/// Where recordings are.
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// Leave out units that ended before this: a date, a time, or an age such as 7d
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Timestamp>,
    /// Age from which on a file of another recorder counts as finished; younger ones are left for
    /// a later run
    #[arg(long, value_name = "SECONDS", env = "CHT_BATCH_SETTLE", default_value_t = 60.0, value_parser = cht_core::process::cli::seconds)]
    pub settle: f64,
    /// Folder that holds the recordings, if it lies elsewhere on other machines: units and results
    /// name DIR/camera/1.ts as /camera/1.ts, on each of them
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Path of the ffmpeg to run
    #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// Sessions, files, and folders of any recorder
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Folder of results: files that these name are not opened again, and keep their units
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub search: Search,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Lines of `plan`, or sessions, files and folders; - reads lines or paths on stdin
    #[arg(value_name = "UNIT|PATH|-")]
    pub units: Vec<String>,
    /// Folder of results; without it, sessions get theirs in their own folders
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Work that is done, comma-separated
    #[arg(
        long,
        value_name = "NAME",
        env = "CHT_BATCH_STAGES",
        value_enum,
        value_delimiter = ',',
        default_value = "scenes"
    )]
    pub stages: Vec<Stage>,
    /// How much of the video cht-scenes decodes: full, fast or keyframes
    #[arg(long, value_name = "WHAT")]
    pub decode: Option<String>,
    /// Units at a time [default: one for each processor]
    #[arg(long, value_name = "N", env = "CHT_BATCH_JOBS", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// Print what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Work on the units that failed, in whole or in part, and on no others
    #[arg(long, value_name = "WHICH", value_enum)]
    pub only: Option<Only>,
    /// Leave the processor to programs that are less nice, 0 to 19
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..=19))]
    pub nice: Option<i32>,
    /// Begin no unit while the load of the machine is this or higher
    #[arg(long, value_name = "LOAD")]
    pub max_load: Option<f64>,
    /// Keep the measures of each frame (1.5 kB) with the result, so that other thresholds need no
    /// decoding
    #[arg(long)]
    pub keep_scores: bool,
    /// Options of cht-audio, parted by spaces
    #[arg(long, value_name = "OPTIONS", default_value = "", allow_hyphen_values = true)]
    pub audio: String,
    #[command(flatten)]
    pub search: Search,
    /// Options of cht-scenes
    #[arg(last = true, value_name = "OPTIONS OF cht-scenes")]
    pub scenes: Vec<String>,
}

/// Selection of units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Only {
    /// Those that failed, in whole or in part
    Failed,
}

#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// Sessions, files and folders whose units are looked for, also those without a result
    pub paths: Vec<PathBuf>,
    /// Folder of results
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub search: Search,
}

#[derive(Debug, clap::Args)]
pub(crate) struct MergeArgs {
    /// Folders of results
    #[arg(required = true)]
    pub results: Vec<PathBuf>,
    /// Write to this file, when it is complete: an array if it ends in .json [default: stdout]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Write an archive of the pictures to --to, each with its frame as JSON next to it
    #[arg(long, value_name = "FORMAT", value_enum, requires = "to")]
    pub pack: Option<Pack>,
}

/// Format of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pack {
    /// Archive of tar (ustar), as readers of shards take it
    Tar,
}

/// Options that have an effect only with certain others.
const EFFECTS: &[Effect<Args>] = &[];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse_stage(EFFECTS, &[])
}

/// Parses a date, a time, or an age.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    let local = |time: civil::DateTime| time.to_zoned(TimeZone::system()).ok();
    let time = text.parse::<civil::DateTime>().ok();
    let time = time.or_else(|| Some(text.parse::<civil::Date>().ok()?.at(0, 0, 0, 0)));
    if let Some(at) = time.and_then(local) {
        return Ok(at.timestamp());
    }
    let age = cht_core::process::units::age(text).ok();
    let age = age.and_then(|age| jiff::SignedDuration::try_from(age).ok());
    age.and_then(|age| cht_core::process::clock::wall().checked_sub(age).ok()).ok_or_else(|| {
        "must be a date (2026-11-28), a time (2026-11-28T07:00:00Z) or an age (7d, 12h)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_date_a_time_or_an_age() {
        assert_eq!(since("2026-11-28T07:00:00Z").unwrap().to_string(), "2026-11-28T07:00:00Z");
        assert!(since("2026-11-28").is_ok() && since("2026-11-28T07:00").is_ok());
        assert!(since("7d").unwrap() < since("1h").unwrap());
        assert!(since("yesterday").unwrap_err().contains("7d"));
    }
}
