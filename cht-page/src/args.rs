//! The command line.

use std::path::PathBuf;

use clap::{
    Parser, Subcommand,
    builder::{OsStringValueParser, TypedValueParser as _},
};

use crate::video::Wish;

const EXAMPLES: &str = "\
Examples:
  cht-page build sessions/20261123_010203
  cht-page build sessions/20261123_010203 --video
  cht-page serve
  cht-page serve /srv/cht --listen 0.0.0.0:8080 --token \"$(uuidgen)\"
";

/// Shows sessions in a browser: pictures, video and words, live or from files
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a page for one session, which a browser opens without a server
    Build(Build),
    /// Serve the pages of all sessions, those that are being recorded live
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Build {
    /// Folder of the session
    pub session: PathBuf,
    /// Folder for the page; pictures and video are named by paths relative to it [default:
    /// SESSION/page]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Make a video for the page, which a browser plays from a file, too: video.mp4, next to it. Or
    /// take FILE, a clip of cht-export with what that printed as FILE.json; or none [default: a
    /// video.mp4 that is there]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = OsStringValueParser::new().map(Wish::of))]
    pub video: Option<Wish>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// Folder of the sessions
    #[arg(env = "CHT_SESSIONS", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Listen there, or at unix:PATH; an address other than loopback needs --token
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "CHT_PAGE_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub listen: String,
    /// Token that browsers have to give once, as ?token=TOKEN, and that allows to mark pictures
    #[arg(long, value_name = "TOKEN", env = "CHT_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// Options that have an effect only with certain others.
const EFFECTS: &[cht_core::process::cli::Effect<Args>] = &[];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse(EFFECTS)
}
