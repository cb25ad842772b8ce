//! The command line.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use cht_core::{
    process::{cli::Effect, report},
    segment::Cache,
};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-segwatch 'old/**/*.ts' | cht-scenes --out frames | cht-index --out frames/index.json
  cht-segwatch --follow sessions/20261123_010203 | cht-scenes | cht-index
  cht-segwatch *.ts | jq -r 'select(.type==\"segment\") | [.path,.duration] | @tsv'
";

/// Finds finished MPEG-TS segments and examines each once, in natural order; without PATH, reads events or paths on stdin
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Segments, patterns such as 'old/**/*.ts', sessions, or folders of segments
    #[arg(value_name = "PATH|GLOB|DIR")]
    pub paths: Vec<PathBuf>,
    /// Go on looking for new segments: in a session until its recorder ends, in other folders and those in them until interrupted
    #[arg(long)]
    pub follow: bool,
    /// A segment of another program that nobody was seen to close is finished after resting this long
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub settle: Duration,
    /// The session that --follow means when no PATH is given
    #[arg(long, value_name = "DIR", env = "CHT_SESSION")]
    pub session: Option<PathBuf>,
    /// Keep what was found in segments here, so that one that has not changed is not read again; `none`: nowhere [default: ~/.cache/cht]
    #[arg(long, value_name = "DIR", env = "CHT_CACHE")]
    pub cache: Option<OsString>,
    /// Read every segment, also one that an earlier run has read and that looks unchanged
    #[arg(long)]
    pub reread: bool,
}

impl Args {
    /// Returns the cache that is asked for; one that was named and cannot be made is said.
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

/// Options that do something only next to certain others.
const EFFECTS: &[Effect<Args>] = &[
    Effect {
        option: "settle",
        is_there: |args| args.follow || !args.paths.is_empty(),
        place: "with PATH or --follow: events name what is finished",
    },
    Effect {
        option: "session",
        is_there: |args| args.follow && args.paths.is_empty(),
        place: "with --follow and without PATH",
    },
];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse(EFFECTS)
}

fn seconds(text: &str) -> Result<Duration, String> {
    cht_core::process::cli::seconds(text).map(Duration::from_secs_f64)
}
