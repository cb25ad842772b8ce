//! The command line. Options that only one stage reads are handed on to it as they were typed: the
//! stage has their definition, and its message says why a value is wrong.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use clap::{
    Parser, Subcommand,
    builder::{PossibleValue, StringValueParser, TypedValueParser},
};

const EXAMPLES: &str = "\
Examples:
  cht file talk.mp4          # its pictures, in sessions/talk
  cht live                   # records tcp://127.0.0.1:4444 until Ctrl-C
  cht live --listen srt://0.0.0.0:9000 --audio --page
  cht live --print           # the pipeline as shell, to change it
  cht show                   # the newest session
  cht sessions
  cht doctor                 # whether everything is there that the tools need
  cht help cht-scenes
";

/// Heading of the options that `-h` leaves out.
const MORE: &str = "More options";

const LIVE_EXAMPLES: &str = "\
Examples:
  cht live
  cht live --listen srt://0.0.0.0:9000 --audio --page
  cht live --listen rtsp://camera.lan/stream --detect screen
  cht live --print >pipeline.sh";

const FILE_EXAMPLES: &str = "\
Examples:
  cht file talk.mp4
  cht file https://example.org/talk.mkv --out talk
  cht file /srv/camera --max-frames 60/h
  cht file talk.mp4 --detect screen --overwrite";

const SHOW_EXAMPLES: &str = "\
Examples:
  cht show
  cht show talk
  cht show talk --open";

/// Records live video, finds the pictures of it and of old files, and shows what there is
#[derive(Debug, Parser)]
#[command(name = "cht", version, before_help = EXAMPLES,
          after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record a live stream, with pictures and index while it runs
    #[command(before_help = LIVE_EXAMPLES, after_help = cht_core::process::exit::TABLE)]
    Live(Live),
    /// Find the pictures of files, old segments or a URL
    #[command(before_help = FILE_EXAMPLES, after_help = cht_core::process::exit::TABLE)]
    File(File),
    /// Show what there is of a session
    #[command(before_help = SHOW_EXAMPLES)]
    Show(Show),
    /// List the sessions
    Sessions(Sessions),
    /// Check whether everything is there that the tools need
    Doctor(Doctor),
    /// Show the manual page of a command, a tool or a format
    Help(Help),
}

/// Any text, with the values that completions offer: the stage says which it takes.
#[derive(Debug, Clone, Copy)]
struct Offered(&'static [&'static str]);

impl TypedValueParser for Offered {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        option: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, option, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(PossibleValue::new)))
    }
}

/// Values of `--detect`, as `cht-scenes` has them.
const DETECTORS: Offered = Offered(&["auto", "scene", "adaptive", "screen"]);

/// Options of the stages that choose frames.
#[derive(Debug, clap::Args)]
pub(crate) struct Choice {
    /// What to look for: auto, adaptive (film), screen (slides, windows) or scene [default: auto]
    #[arg(long, value_name = "NAME", visible_alias = "detector", value_parser = DETECTORS,
          hide_possible_values = true)]
    pub detect: Option<String>,
    /// Longest time between two kept frames; 0 for no limit [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub max_interval: Option<String>,
    /// Keep at most this many frames in any hour, such as 60/h
    #[arg(help_heading = MORE, long, value_name = "N/h")]
    pub max_frames: Option<String>,
    /// Cut the sound into pieces for a transcriber
    #[arg(long)]
    pub audio: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Live {
    /// Input: senders connect to tcp://HOST:PORT, srt://, rtmp:// and others, or it is fetched by
    /// rtsp:// and http:// [default: 127.0.0.1, port 4444]
    #[arg(long, value_name = "URL", visible_alias = "input")]
    pub listen: Option<String>,
    /// Folder of the sessions; created if missing [default: sessions]
    #[arg(long, value_name = "DIR")]
    pub sessions: Option<String>,
    /// Name of the session; an existing one is continued [default: the local time]
    #[arg(help_heading = MORE, long, value_name = "ID")]
    pub session_id: Option<String>,
    /// Minimum length of a segment [default: 60]
    #[arg(help_heading = MORE, long, value_name = "SECONDS")]
    pub segment_time: Option<String>,
    /// End after the first connection
    #[arg(long)]
    pub once: bool,
    #[command(flatten)]
    pub choice: Choice,
    /// Serve pages of the sessions to browsers meanwhile, at 127.0.0.1:8080 or another address
    #[arg(long, value_name = "HOST:PORT", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    pub page: Option<String>,
    /// Print the pipeline as shell instead of running it
    #[arg(help_heading = MORE, long)]
    pub print: bool,
    /// Write events as JSON, also to a terminal
    #[arg(help_heading = MORE, long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct File {
    /// Files such as talk.mp4, talk.mkv or talk.mov, URLs, or segments of MPEG-TS: files, folders
    /// and patterns
    #[arg(required = true, value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// Folder of the result, a session [default: the name of the input, below --sessions]
    #[arg(long, value_name = "DIR")]
    pub out: Option<String>,
    /// Folder of the sessions; created if missing
    #[arg(long, value_name = "DIR", env = "CHT_SESSIONS", default_value = "sessions")]
    pub sessions: String,
    #[command(flatten)]
    pub choice: Choice,
    /// Find the pictures anew, as with other options; those that are there are removed
    #[arg(long)]
    pub overwrite: bool,
    /// Decoders at once: a number, or auto for one for each processor [default: auto]
    #[arg(help_heading = MORE, long, value_name = "N")]
    pub jobs: Option<String>,
    /// Print the pipelines as shell instead of running them
    #[arg(help_heading = MORE, long)]
    pub print: bool,
    /// Write events as JSON, also to a terminal
    #[arg(help_heading = MORE, long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Folder of a session or of a result of cht-batch, or its name below --sessions [default: the
    /// session that is recorded now, or the newest]
    #[arg(env = "CHT_SESSION")]
    pub session: Option<PathBuf>,
    /// Folder of the sessions
    #[arg(long, value_name = "DIR", env = "CHT_SESSIONS", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Open the page of the session in a browser
    #[arg(long)]
    pub open: bool,
}

/// A folder of sessions, as an argument or an option.
#[derive(Debug, clap::Args)]
pub(crate) struct Place {
    /// Folder of the sessions
    #[arg(value_name = "SESSIONS", env = "CHT_SESSIONS", default_value = "sessions")]
    place: PathBuf,
    /// The same, as other commands have it
    #[arg(long = "sessions", value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Place {
    pub(crate) fn path(&self) -> &Path {
        self.folder.as_ref().unwrap_or(&self.place)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sessions {
    #[command(flatten)]
    pub sessions: Place,
    /// Print a JSON object for each session
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub sessions: Place,
    /// ffmpeg to check
    #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Help {
    /// Command or tool, such as live, scenes or cht-scenes; or events, the lines in the pipes
    pub topic: Option<String>,
}

/// Options that have an effect only with certain others.
const EFFECTS: &[cht_core::process::cli::Effect<Args>] = &[];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse(EFFECTS)
}
