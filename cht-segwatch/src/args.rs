//! The command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use cht_core::{
    process::{
        cli::{Effect, Group},
        report, units,
    },
    segment::Cache,
};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-segwatch old/*.ts | cht-scenes --out f | cht-index --out f/index.json
  cht-segwatch --follow sessions/20261123_010203 | cht-scenes | cht-index
  cht-segwatch *.ts | jq -c 'select(.type==\"segment\") | [.path,.duration]'
";

/// Finds finished MPEG-TS segments and examines each once, in natural order. Without PATH, it reads
/// events or paths on stdin
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Segments, patterns such as 'old/**/*.ts', sessions, or folders of segments
    #[arg(value_name = "PATH|GLOB|DIR")]
    pub paths: Vec<PathBuf>,
    /// Keep looking for new segments: in a session until its recorder ends, in other folders and
    /// their subfolders until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Time without a change after which another program's segment counts as finished, unless it
    /// was seen to be closed
    #[arg(long, value_name = "SECONDS", env = "CHT_SEGMENT_SETTLE", default_value = "2", value_parser = seconds)]
    pub settle: Duration,
    /// Session that --follow uses without PATH
    #[arg(long, value_name = "DIR", env = "CHT_SESSION")]
    pub session: Option<PathBuf>,
    /// Leave out sessions in a followed folder that ended longer ago than this, such as 2d: a
    /// restart then costs no more than that time
    #[arg(long, value_name = "TIME", value_parser = units::age)]
    pub since: Option<Duration>,
    /// Folder for the results of examined segments, so that an unchanged one is not read again;
    /// `none` for no folder [default: ~/.cache/cht]
    #[arg(long, value_name = "DIR", env = "CHT_CACHE")]
    pub cache: Option<OsString>,
    /// Read every segment, even one that an earlier run has read and that looks unchanged
    #[arg(long)]
    pub reread: bool,
}

impl Args {
    /// Returns the cache that the options name. A named one that cannot be created is reported.
    pub(crate) fn cache(&self) -> Cache {
        let cache = Cache::new(self.cache.as_deref()).scanning_again(self.reread);
        let named = self.cache.as_ref().filter(|named| !named.is_empty());
        if let Some((folder, error)) = named.and_then(|named| Some((named, cache.make().err()?))) {
            report::warn(format_args!(
                "--cache {}: {error}; every segment is read",
                folder.display()
            ));
        }
        cache
    }
}

/// Headings of the options that few people need.
const GROUPS: &[Group] = &[("Reading", &["cache", "reread"])];

/// Options that have an effect only with certain others.
const EFFECTS: &[Effect<Args>] = &[
    Effect {
        option: "settle",
        is_there: |args| args.follow || !args.paths.is_empty(),
        place: "with PATH or --follow: events name finished segments",
    },
    Effect { option: "since", is_there: |args| args.follow, place: "with --follow" },
    Effect {
        option: "session",
        is_there: |args| args.follow && args.paths.is_empty(),
        place: "with --follow and without PATH",
    },
];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse_stage(EFFECTS, GROUPS)
}

fn seconds(text: &str) -> Result<Duration, String> {
    cht_core::process::cli::seconds(text).map(Duration::from_secs_f64)
}
