//! The command line.

use std::path::PathBuf;

use cht_core::process::cli::{Effect, Group, seconds_from};
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{
    select::{Asked, Which},
    sound::{cut::Limits, pieces::Settings},
};

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-audio | cht-index
  cht-segwatch 'old/**/*.ts' | cht-audio --out audio >events.ndjson
  cht-segwatch mux.ts | cht-audio --out audio --stream deu --format flac
  cht-recv | cht-segwatch | cht-audio --skip-silent | ./transcribe | cht-index
";

/// Cuts the sound into pieces for a transcriber, in pauses; reads events or paths on stdin
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Folder for the pieces [default: SESSION/audio]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Session that loose segments belong to
    #[arg(long, value_name = "DIR", env = "CHT_SESSION")]
    pub session: Option<PathBuf>,

    /// Samples per second: 8000, 16000, 24000, 44100, 48000 …, or that of the stream
    #[arg(long, value_name = "HERTZ|keep", env = "CHT_AUDIO_RATE", default_value = "16000")]
    pub rate: Rate,

    /// Mix all channels into one, or keep them
    #[arg(long, value_name = "1|keep", env = "CHT_AUDIO_CHANNELS", value_enum, default_value_t = Channels::One)]
    pub channels: Channels,

    /// Format of the files
    #[arg(long, value_name = "NAME", env = "CHT_AUDIO_FORMAT", value_enum, default_value_t = Format::Wav)]
    pub format: Format,

    /// Shortest piece, in seconds, except where the sound ends or has a hole
    #[arg(long, value_name = "SECONDS", env = "CHT_AUDIO_MIN", default_value_t = 5.0, value_parser = |text: &str| seconds_from(0.5, text))]
    pub min: f64,

    /// Longest piece, in seconds
    #[arg(long, value_name = "SECONDS", env = "CHT_AUDIO_MAX", default_value_t = 30.0, value_parser = |text: &str| seconds_from(1.0, text))]
    pub max: f64,

    /// Sound to use, such as 1 or deu [default: the first]
    ///
    /// Its PID; 0, 1 … for the first, second … sound in the tables; or its language, as deu
    #[arg(long, value_name = "PID|INDEX|LANG")]
    pub stream: Option<Which>,

    /// Use a sound of this program
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub program: Option<u16>,

    /// Put silence where up to 60 s of sound are missing, so that samples alone tell the time
    #[arg(long)]
    pub fill: bool,

    /// Write no file for a piece without speech; its event has no path
    #[arg(long)]
    pub skip_silent: bool,

    /// Stop a decoder that is stuck for this many seconds, and go on with another
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = |text: &str| seconds_from(1.0, text))]
    pub decoder_timeout: f64,

    /// Seconds between two `stats` events while there is work; 0 turns them off
    #[arg(long, value_name = "SECONDS", env = "CHT_STATS_INTERVAL", default_value_t = 10.0, value_parser = cht_core::process::cli::seconds)]
    pub stats_interval: f64,

    /// Start over where --out holds pieces already, whatever options made them
    #[arg(long)]
    pub overwrite: bool,

    /// Path of the ffmpeg to run
    #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

/// Sample rate of the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rate {
    /// That of the stream.
    Keep,
    Hertz(u32),
}

/// Rates that go with each other: in phase after less than 50 ms.
const RATES: [u32; 12] =
    [8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000];

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(rate) if RATES.contains(&rate) => Ok(Self::Hertz(rate)),
            Err(_) if text == "keep" => Ok(Self::Keep),
            _ => {
                let rates = RATES.map(|rate| rate.to_string()).join(", ");
                Err(format!("must be keep, or one of {rates}"))
            }
        }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keep => f.write_str("keep"),
            Self::Hertz(rate) => write!(f, "{rate}"),
        }
    }
}

/// Channels of the pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channels {
    /// All channels mixed into one
    #[value(name = "1")]
    One,
    /// Those of the stream
    Keep,
}

/// Formats of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// 16-bit samples, which every program reads
    Wav,
    /// the same samples in half the room
    Flac,
    /// Opus in Ogg: small, and not the same samples
    Opus,
}

impl Format {
    /// Returns its name, which is the extension of the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Flac => "flac",
            Self::Opus => "opus",
        }
    }
}

impl Args {
    /// Returns the sound that the options ask for.
    pub(crate) fn sound(&self) -> Asked {
        Asked { program: self.program, stream: self.stream.clone() }
    }

    /// Returns how pieces are made.
    pub(crate) fn settings(&self) -> Settings {
        let rate = match self.rate {
            Rate::Keep => None,
            Rate::Hertz(rate) => Some(rate),
        };
        Settings { rate, limits: Limits::of_seconds(self.min, self.max), fill: self.fill }
    }
}

/// Headings of the options that few people need.
const GROUPS: &[Group] = &[
    ("Sound", &["rate", "channels", "program", "fill", "skip_silent"]),
    ("Runs", &["session", "overwrite", "decoder_timeout", "stats_interval", "ffmpeg"]),
];

/// Options that have an effect only in combination with others.
const EFFECTS: &[Effect<Args>] =
    &[Effect { option: "session", is_there: |args| args.out.is_none(), place: "without --out" }];

/// Parses the command line, or exits with a message.
pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse_stage(EFFECTS, GROUPS)
}
