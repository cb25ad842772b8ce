//! The command line.

use std::path::PathBuf;

use cht_core::process::cli::Effect;
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-segwatch old/*.ts | cht-scenes --out f | cht-index --out f/index.json
  cht-index --session sessions/20261123_010203 --sent F000012 F000013
  cht-index --session /new/place/20261123_010203      # after it was moved
  jq -r '.[] | select(.sent_to_agent | not).path' frames/index.json
";

/// Keeps a JSON index of a session's frames. It reads events on stdin; on a terminal it brings the
/// index of --session or --out up to date, and ends
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Index file [default: SESSION/frames/index.json]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Session of loose segments, and of --sent
    #[arg(long, value_name = "DIR", env = "CHT_SESSION")]
    pub session: Option<PathBuf>,
    /// Mark these frames as sent to an agent, and end
    #[arg(long, value_name = "ID", num_args = 1..)]
    pub sent: Vec<String>,
    /// Form of index.json: array of frames, or object with frames, text, sound, speech and segments
    /// [default: as it is, or array]
    #[arg(long, value_name = "FORM", env = "CHT_INDEX_FORMAT")]
    pub format: Option<Format>,
    /// Start over where an index exists
    #[arg(long)]
    pub overwrite: bool,
    /// Serve metrics of all stages to Prometheus at this address, under /metrics; without a host,
    /// at the loopback address
    #[arg(long, value_name = "HOST:PORT", env = "CHT_INDEX_METRICS")]
    pub metrics: Option<String>,
}

/// Form of `index.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Array of frames.
    Array,
    /// Object with all that the journal has, and the segments.
    Object,
}

/// Options that have an effect only with certain others.
const EFFECTS: &[Effect<Args>] = &[
    Effect { option: "session", is_there: |args| args.out.is_none(), place: "without --out" },
    Effect {
        option: "metrics",
        is_there: |args| args.sent.is_empty(),
        place: "without --sent, while events come",
    },
    Effect { option: "overwrite", is_there: |args| args.sent.is_empty(), place: "without --sent" },
];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse_stage(EFFECTS, &[])
}
