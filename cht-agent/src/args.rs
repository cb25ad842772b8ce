//! The command line.

use std::path::PathBuf;

use clap::{Args as Options, Parser, Subcommand};

use crate::{follow, picture::size::Crop, sessions::Place, store::state::Reader};

const EXAMPLES: &str = "\
Examples:
  cht-agent sessions
  cht-agent next --wait 60 | jq -r '.frames[].path'
  cht-agent ack F000012 F000013
  cht-agent search 'invoice \"due date\"' --since 2h
  cht-agent frame 1:02:03.5 --out moment.png
  cht-agent follow --from now | jq -r 'select(.type==\"text\").text'
";

/// Hands a recording to an AI agent or a script, while it still grows
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceOptions,
    #[command(subcommand)]
    pub command: Command,
}

/// As `cht_core::process::cli::HELP`.
const HELP: &str = "{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

#[derive(Debug, Options)]
struct PlaceOptions {
    /// Session: its folder, or its name below --sessions [default: the one that is recorded, or the
    /// newest]
    #[arg(long, value_name = "DIR", env = "CHT_SESSION", global = true)]
    session: Option<PathBuf>,
    /// Folder of the sessions
    #[arg(
        long,
        value_name = "DIR",
        env = "CHT_SESSIONS",
        default_value = "sessions",
        global = true
    )]
    sessions: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the sessions, those that are recorded now first
    ///
    /// The newest of the others come next.
    Sessions {
        /// Largest number of sessions
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Give the frames that a reader has not acknowledged
    ///
    /// The oldest come first, each with its words.
    Next {
        #[command(flatten)]
        reader: ReaderOption,
        /// Largest number of frames
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = count)]
        limit: usize,
        /// Wait for a frame, at most this long
        #[arg(long, value_name = "SECONDS", default_value_t = 0.0,
              value_parser = cht_core::process::cli::seconds)]
        wait: f64,
    },
    /// Acknowledge frames, so that they are not given again
    Ack {
        #[command(flatten)]
        reader: ReaderOption,
        /// Frames by their ids
        #[arg(value_name = "ID", required_unless_present = "to", conflicts_with = "to")]
        ids: Vec<String>,
        /// All frames up to the cursor of an answer, or up to `now`
        #[arg(long, value_name = "CURSOR|now")]
        to: Option<String>,
    },
    /// Find words on the screen and in the speech
    ///
    /// The newest matches come first. Without --session, all sessions are searched.
    Search {
        /// Words, all of which have to occur, in any case, with or without accents; those in
        /// quotation marks stand together
        #[arg(value_name = "QUERY", required = true)]
        query: Vec<String>,
        /// Only since then: 2h, 30m, 90s or 1d before now, 14:05, or RFC 3339
        #[arg(long, value_name = "TIME", conflicts_with = "between")]
        since: Option<String>,
        /// Only between two times, in the forms of --since; a time of day at the end is the first
        /// one after the beginning
        #[arg(long, value_name = "TIME", num_args = 2)]
        between: Vec<String>,
        /// Largest number of matches
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
        limit: usize,
    },
    /// Give the frame that was on the screen at a time, and its words
    ///
    /// The kept frame, its text, and the speech around it.
    Moment {
        /// When: seconds of the session, 0:39, 1:02:03.5, 14:05 or @14:05:30 (local), RFC 3339,
        /// live, or -30 for seconds before that
        #[arg(value_name = "TIME", allow_hyphen_values = true)]
        time: String,
        /// Seconds of speech before and after
        #[arg(long, value_name = "SECONDS", default_value_t = 15.0,
              value_parser = cht_core::process::cli::seconds)]
        around: f64,
    },
    /// Give the exact picture at a time, or a kept frame
    ///
    /// Also a picture that was not kept.
    Frame {
        /// A kept frame by its id, or a time as in `moment`
        #[arg(value_name = "TIME|ID", allow_hyphen_values = true)]
        which: String,
        /// File for the picture: .png or .jpg; not needed for a kept frame as it is
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Only this part of it, in pixels
        #[arg(long, value_name = "X,Y,W,H")]
        crop: Option<Crop>,
        /// Make it smaller, to at most this many pixels
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        max_pixels: Option<u64>,
        /// Path of the ffmpeg that decodes
        #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
        ffmpeg: PathBuf,
    },
    /// Serve the commands as tools of an MCP client
    ///
    /// Over stdin and stdout, or HTTP.
    Mcp {
        #[command(flatten)]
        reader: ReaderOption,
        /// Give paths only, no pictures
        #[arg(long)]
        no_images: bool,
        /// Largest answer in tokens, estimated
        #[arg(long, value_name = "N", env = "CHT_MAX_TOKENS", default_value_t = 25_000,
              value_parser = clap::value_parser!(u64).range(2000..))]
        max_tokens: u64,
        /// Largest message in bytes
        #[arg(long, value_name = "N", env = "CHT_MAX_BYTES", default_value_t = 1 << 20,
              value_parser = clap::value_parser!(u64).range(65_536..))]
        max_bytes: u64,
        /// Serve over HTTP at this loopback address instead of stdin and stdout
        #[arg(long, value_name = "HOST:PORT", value_parser = cht_core::net::resolve)]
        http: Option<std::net::SocketAddr>,
        /// Token that clients of --http have to send [default: a new one, which is printed]
        #[arg(long, value_name = "TOKEN", env = "CHT_TOKEN", hide_env_values = true)]
        token: Option<String>,
        /// Path of the ffmpeg that makes pictures smaller
        #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
        ffmpeg: PathBuf,
    },
    /// Write frames, text and speech as they come, for ever
    ///
    /// One line of JSON each.
    Follow {
        /// Where to begin: start, now, or after a frame or the cursor of a line
        #[arg(long, value_name = "ID|CURSOR|start|now", default_value = "now")]
        from: follow::From,
    },
}

#[derive(Debug, Options)]
pub(crate) struct ReaderOption {
    /// Name of the reader: each gets every frame; what `agent` acknowledges is `sent_to_agent` in
    /// the index
    #[arg(long, value_name = "NAME", env = "CHT_READER", default_value = "agent")]
    pub reader: Reader,
}

impl Args {
    /// Returns where sessions are.
    pub(crate) fn place(&self) -> Place {
        Place { session: self.place.session.clone(), sessions: self.place.sessions.clone() }
    }
}

fn count(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=10_000).contains(number));
    number.ok_or_else(|| "must be a number from 1 to 10000".to_owned())
}
