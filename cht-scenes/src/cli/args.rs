//! The command line.

use std::{path::PathBuf, time::Duration};

use cht_core::{
    process::{
        cli::{Effect, Group, seconds_from},
        units::{self, Size},
    },
    segment::Which,
};
use cht_detect::{Area, PerHour};
use cht_picture::OutputOptions;
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{
    decode::{
        hwaccel::Hwaccel,
        jobs::Jobs,
        mode::{Decode, Limits},
    },
    lag::catch_up::OnLag,
    track::select::Asked,
};

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-segwatch old/*.ts | cht-scenes --out f | cht-index --out f/index.json
  ls *.ts | cht-scenes --out frames --detect scene --threshold 0.3
  ls *.ts | cht-scenes --out frames | jq -r 'select(.type==\"frame\").path'
  cht-segwatch mux.ts | cht-scenes --out frames --program 2 --stream 1
  cht-recv | cht-segwatch | cht-scenes --on-lag keyframes | cht-index
";

/// Picks the frames where the picture changes; reads events or paths on stdin
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Folder for the pictures [default: SESSION/frames]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Session that loose segments belong to
    #[arg(long, value_name = "DIR", env = "CHT_SESSION")]
    pub session: Option<PathBuf>,
    /// Detectors that select frames, comma-separated
    ///
    /// Events name the detector of each frame
    #[arg(
        long,
        value_name = "NAME",
        env = "CHT_DETECT",
        value_enum,
        value_delimiter = ',',
        default_value = "auto"
    )]
    pub detect: Vec<Detect>,
    /// scene: keep frames whose scene score (0 to 1) is above this
    #[arg(long, value_name = "SCORE", env = "CHT_THRESHOLD", default_value_t = 0.1, value_parser = unit)]
    pub threshold: f64,
    /// Longest time between two kept frames; 0 for no limit
    #[arg(long, value_name = "SECONDS", env = "CHT_MAX_INTERVAL", default_value_t = 30.0, value_parser = cht_core::process::cli::seconds)]
    pub max_interval: f64,
    /// Shortest time between two cuts; one that follows sooner is kept at the end of the gap
    #[arg(long, value_name = "SECONDS", env = "CHT_MIN_GAP", default_value_t = 0.1, value_parser = cht_core::process::cli::seconds)]
    pub min_gap: f64,
    /// Keep at most this many frames in any hour, spread evenly
    ///
    /// 60/h, or 2/min for 120
    #[arg(long, value_name = "N/h", env = "CHT_MAX_FRAMES")]
    pub max_frames: Option<PerHour>,
    /// screen: keep a frame once nothing has changed for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.3, value_parser = cht_core::process::cli::seconds)]
    pub settle: f64,
    /// screen: keep a frame after this many seconds of a change that does not settle
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = |text: &str| seconds_from(0.1, text))]
    pub max_wait: f64,
    /// screen: ignore changes smaller than this share of the picture (0 to 1); at 0, digits that
    /// change in place count
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = unit)]
    pub min_change: f64,
    /// screen: ignore changes in this part of the picture, in shares of its width and height; may
    /// be given again
    #[arg(long, value_name = "X,Y,W,H")]
    pub ignore: Vec<Area>,
    /// Use a video of this program [default: the video with the most pictures]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub program: Option<u16>,
    /// Use this video: its PID, or 0, 1 … for the first, second … video in the tables
    #[arg(long, value_name = "PID|INDEX")]
    pub stream: Option<Which>,
    /// How much of the video to decode; less is faster
    #[arg(long, value_name = "WHAT", env = "CHT_DECODE", value_enum, default_value_t = Decode::Full)]
    pub decode: Decode,
    /// Number of parallel decoders for finished segments, or auto: one for each processor
    ///
    /// The same frames sooner, for 64 MB more memory each. One decoder decodes a live stream
    #[arg(long, value_name = "N|auto", env = "CHT_JOBS", default_value_t = Jobs::Auto)]
    pub jobs: Jobs,
    /// Hardware decoder; the CPU takes over if it does not work
    #[arg(long, value_name = "NAME", env = "CHT_HWACCEL", value_enum, default_value_t = Hwaccel::None)]
    pub hwaccel: Hwaccel,
    /// Stop a decoder that is stuck for this many seconds, and go on with the next segment
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = |text: &str| seconds_from(1.0, text))]
    pub decoder_timeout: f64,
    /// Skip segments whose pictures have more pixels than this (the default is the limit of H.264
    /// and HEVC at level 6.2)
    #[arg(long, value_name = "NUMBER", default_value_t = 35_651_584, value_parser = clap::value_parser!(u64).range(1..))]
    pub max_pixels: u64,
    /// What to decode when decoding falls behind a live stream
    #[arg(long, value_name = "WHAT", env = "CHT_ON_LAG", value_enum, default_value_t = OnLag::Keep)]
    pub on_lag: OnLag,
    /// Lag at which --on-lag takes effect, in seconds of the stream; it ends at a quarter of this
    #[arg(long, value_name = "SECONDS", env = "CHT_LAG_LIMIT", default_value_t = 2.0, value_parser = |text: &str| seconds_from(0.1, text))]
    pub lag_limit: f64,
    /// Seconds between two `stats` events while there is work; 0 turns them off
    #[arg(long, value_name = "SECONDS", env = "CHT_STATS_INTERVAL", default_value_t = 10.0, value_parser = cht_core::process::cli::seconds)]
    pub stats_interval: f64,
    #[command(flatten)]
    pub look: OutputOptions,
    /// JPEG and WebP quality, 1 to 100
    #[arg(long, value_name = "Q", env = "CHT_QUALITY", default_value_t = 90, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// Lower the quality of a JPEG or WebP picture until its file is no larger, as 900k
    #[arg(long, value_name = "SIZE", env = "CHT_PICTURE_MAX_BYTES", value_parser = units::size_from_64k)]
    pub max_bytes: Option<Size>,
    /// Write no picture of a screen that came back; its event names the earlier picture
    #[arg(long)]
    pub dedupe: bool,
    /// Write the measurements of each frame to FILE, one line of JSON per frame
    #[arg(long, value_name = "FILE")]
    pub scores: Option<PathBuf>,
    /// Decide again from a FILE of --scores, and decode only the frames to keep; stdin is not read
    #[arg(long, value_name = "FILE", conflicts_with = "scores")]
    pub from_scores: Option<PathBuf>,
    /// Start over where --out holds frames already, whatever options made them
    #[arg(long)]
    pub overwrite: bool,
    /// Path of the ffmpeg to run
    #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

/// Names of the detectors on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Detect {
    /// adaptive or screen, depending on the content
    Auto,
    /// ffmpeg's scene score above --threshold
    Scene,
    /// film and camera: cuts, dissolves and fades
    Adaptive,
    /// slides and windows: changes that have settled
    Screen,
}

impl Detect {
    /// Returns its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Scene => "scene",
            Self::Adaptive => "adaptive",
            Self::Screen => "screen",
        }
    }
}

impl Args {
    /// Returns the video that the options ask for.
    pub(crate) fn video(&self) -> Asked {
        Asked { program: self.program, stream: self.stream }
    }

    /// Returns the limits of a decoder.
    pub(crate) fn limits(&self) -> Limits {
        let timeout = Duration::from_secs_f64(self.decoder_timeout);
        Limits { timeout, pixels: self.max_pixels }
    }

    /// Returns the fields of the options without effect in this combination.
    pub(crate) fn without_effect(&self) -> Vec<&'static str> {
        let idle = EFFECTS.iter().filter(|effect| !(effect.is_there)(self));
        idle.map(|effect| effect.option).collect()
    }
}

/// Headings of the options that few people need.
const GROUPS: &[Group] = &[
    ("Detectors", &["min_gap", "settle", "max_wait", "min_change", "ignore", "dedupe"]),
    ("Pictures", &["crop", "scale", "thumbnails", "quality", "max_bytes"]),
    (
        "Video",
        &[
            "program",
            "stream",
            "decode",
            "jobs",
            "hwaccel",
            "decoder_timeout",
            "max_pixels",
            "ffmpeg",
        ],
    ),
    ("Live streams", &["on_lag", "lag_limit", "stats_interval"]),
    ("Runs", &["session", "overwrite", "scores", "from_scores"]),
];

/// Options that have an effect only in combination with others.
const EFFECTS: &[Effect<Args>] = &[
    Effect {
        option: "threshold",
        is_there: |args| args.detect.contains(&Detect::Scene),
        place: "with --detect scene",
    },
    screens_alone("settle"),
    screens_alone("max_wait"),
    screens_alone("min_change"),
    screens_alone("ignore"),
    Effect {
        place: "with --detect auto or screen, which know screens that come back",
        ..screens_alone("dedupe")
    },
    Effect {
        option: "lag_limit",
        is_there: |args| args.on_lag == OnLag::Keyframes,
        place: "with --on-lag keyframes",
    },
    Effect {
        option: "on_lag",
        is_there: |args| args.on_lag == OnLag::Keep || args.decode != Decode::Keyframes,
        place: "with --decode full or fast",
    },
    Effect {
        option: "min_gap",
        is_there: |args| args.detect.iter().any(|name| *name != Detect::Screen),
        place: "with --detect auto, adaptive or scene, which find cuts",
    },
    Effect { option: "session", is_there: |args| args.out.is_none(), place: "without --out" },
    decoding_alone("session"),
    decoding_alone("jobs"),
    decoding_alone("hwaccel"),
    decoding_alone("decode"),
    decoding_alone("program"),
    decoding_alone("stream"),
    decoding_alone("on_lag"),
    Effect {
        option: "stats_interval",
        is_there: |args| args.stats_interval == 0.0 || args.from_scores.is_none(),
        place: "without --from-scores, which decodes no stream",
    },
    Effect {
        option: "quality",
        is_there: |args| args.look.has_quality(),
        place: "with --format jpeg or webp, or --thumbnails",
    },
    Effect {
        option: "max_bytes",
        is_there: |args| args.look.has_quality(),
        place: "with --format jpeg or webp, or --thumbnails",
    },
];

/// Returns the rule of an option of the screen detector.
const fn screens_alone(option: &'static str) -> Effect<Args> {
    Effect {
        option,
        is_there: |args| {
            args.detect.iter().any(|name| matches!(name, Detect::Auto | Detect::Screen))
        },
        place: "with --detect auto or screen",
    }
}

/// Returns the rule of an option about the stream and its decoding, which was already applied
/// when the scores were measured.
const fn decoding_alone(option: &'static str) -> Effect<Args> {
    Effect {
        option,
        is_there: |args| args.from_scores.is_none(),
        place: "without --from-scores, which decodes no stream",
    }
}

/// Parses the command line, or exits with a message.
pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse_stage(EFFECTS, GROUPS)
}

/// Parses a number from 0 to 1.
fn unit(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
