//! The command line.

use std::{
    ops::{Range, RangeInclusive},
    path::PathBuf,
    time::Duration,
};

use cht_core::{
    event::Reason,
    process::{cli::Effect, ffmpeg::FfmpegError},
    timeline::written,
};
use cht_ts::time::ticks;
use clap::{Parser, Subcommand};

use crate::{
    clip::{Cut, Quality, Way},
    ffmpeg::Ffmpeg,
    format::Format,
    rate::Rate,
    scene::Choice,
};

const EXAMPLES: &str = "\
Examples:
  cht-export list csv sessions/20261123_010203 --out scenes.csv
  cht-export list youtube sessions/20261123_010203 --min-length 30
  cht-export list srt sessions/20261123_010203 | head
  cht-export clip sessions/20261123_010203 --from 1:00 --to 1:30 clip.mp4
  cht-export split sessions/20261123_010203 --out scenes
  cht-export sheet sessions/20261123_010203 sheet.jpg
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
    /// Cut a part of a recording into a file of its own
    Clip(Clip),
    /// Cut each scene into a file of its own
    Split(Split),
    /// Join the pictures of scenes to contact sheets, with their times
    Sheet(Sheet),
    /// Write the pictures of a player's time bar: WebVTT, and sheets of small pictures
    Thumbnails(Thumbnails),
    /// Join the pictures of scenes to an animated WebP
    Preview(Preview),
    /// Compare the files of a session with its records
    Check(Check),
    /// Print the frames of a lost index, from the pictures themselves
    Rebuild(Rebuild),
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
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Frame rate of the recording [default: that of its first segment]
    #[arg(long, value_name = "RATE")]
    pub rate: Option<Rate>,
    /// Name this file as the recording, such as one that was converted
    #[arg(long, value_name = "FILE")]
    pub media: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Clip {
    /// Folder of a session, an index.json, or a segment
    pub source: PathBuf,
    /// Write the clip to this file: .ts, .mp4 or .mkv
    pub out: PathBuf,
    #[command(flatten)]
    pub span: SpanArgs,
    #[command(flatten)]
    pub way: WayArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Split {
    /// Folder of a session, or an index.json
    pub session: PathBuf,
    /// Write the clips into this folder, as NAME-Scene-001.mp4 and so on
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Format of the clips
    #[arg(long, value_name = "FORMAT", default_value = "mp4", value_parser = ["ts", "mp4", "mkv"])]
    pub format: String,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub way: WayArgs,
}

/// A part of the timeline.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct SpanArgs {
    /// Leave out everything before this time: seconds, M:SS or H:MM:SS
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub from: Option<i64>,
    /// Leave out everything from this time on
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub to: Option<i64>,
}

impl SpanArgs {
    /// Returns the part in ticks; without a limit, one that no recording reaches.
    pub(crate) fn range(self) -> Range<i64> {
        self.from.unwrap_or(i64::MIN / 2)..self.to.unwrap_or(i64::MAX / 2)
    }
}

/// Which frames begin a scene.
#[derive(Debug, clap::Args)]
pub(crate) struct ChoiceArgs {
    #[command(flatten)]
    pub span: SpanArgs,
    /// Begin scenes at frames kept for these reasons, and at the first of the recording [default:
    /// all but interval]
    #[arg(long, value_name = "REASON", value_delimiter = ',', value_parser = reason)]
    pub reason: Vec<Reason>,
    /// Begin no scene at a change with a lower score, 0 to 1
    #[arg(long, value_name = "SCORE", default_value_t = 0.0, value_parser = share)]
    pub min_score: f64,
    /// Join scenes shorter than this with the one before, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0,
          value_parser = cht_core::process::cli::seconds)]
    pub min_length: f64,
}

impl ChoiceArgs {
    /// Returns the choice of frames that begin a scene.
    pub(crate) fn choice(&self) -> Choice {
        Choice {
            reasons: self.reason.clone(),
            min_score: self.min_score,
            min_length: ticks(self.min_length),
            from: self.span.from,
            to: self.span.to,
        }
    }
}

/// How clips are cut.
#[derive(Debug, clap::Args)]
pub(crate) struct WayArgs {
    /// Cut at exact pictures, as without --copy: those before the first keyframe and after the last
    /// whole group are encoded again
    #[arg(long, conflicts_with = "copy")]
    pub exact: bool,
    /// Cut at keyframes, and encode nothing: the clip may begin earlier and end later
    #[arg(long)]
    pub copy: bool,
    /// Encode pictures again without any loss: larger, and fewer players show such H.264
    #[arg(long, conflicts_with_all = ["copy", "crf"])]
    pub lossless: bool,
    /// Quality of pictures that are encoded again: 1 is the best, 51 the worst
    #[arg(long, value_name = "FACTOR", default_value_t = 12, conflicts_with = "copy",
          value_parser = clap::value_parser!(u8).range(1..=51))]
    pub crf: u8,
    /// Keep a pause between two connections as long as it was, or close it
    #[arg(long, value_name = "HOW", default_value = "keep")]
    pub gap: Gap,
    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,
}

/// What becomes of a pause between two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Gap {
    Keep,
    Close,
}

impl WayArgs {
    /// Returns how clips are cut.
    pub(crate) fn way(&self) -> Way {
        let cut = match self {
            Self { copy: true, .. } => Cut::Keyframes,
            Self { lossless: true, .. } => Cut::Exact(Quality::Lossless),
            Self { crf, .. } => Cut::Exact(Quality::Factor(*crf)),
        };
        Way { cut, keeps_gaps: self.gap == Gap::Keep }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sheet {
    /// Folder of a session, or an index.json
    pub session: PathBuf,
    /// Write the sheet to this file, .jpg or .png; several as NAME-1.jpg, NAME-2.jpg and so on
    pub out: PathBuf,
    /// Pictures next to each other
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = range(1..=50))]
    pub columns: u32,
    /// Rows of a sheet
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = range(1..=50))]
    pub rows: u32,
    /// Width of each picture, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 320, value_parser = range(16..=2000))]
    pub width: u32,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Thumbnails {
    /// Folder of a session, or an index.json
    pub session: PathBuf,
    /// Write the times to this file, .vtt, and sheets of pictures as NAME-1.jpg and so on
    pub out: PathBuf,
    /// Width of each picture, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 160, value_parser = range(16..=640))]
    pub width: u32,
    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Preview {
    /// Folder of a session, or an index.json
    pub session: PathBuf,
    /// Write the animation to this file, .webp
    pub out: PathBuf,
    /// Width in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 480, value_parser = range(16..=2000))]
    pub width: u32,
    /// How long each picture stays, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0,
          value_parser = cht_core::process::cli::seconds)]
    pub each: f64,
    /// Largest number of pictures, of which evenly distributed ones are taken
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = range(1..=1000))]
    pub most: u32,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rebuild {
    /// Folder of a session, or a folder of pictures
    pub place: PathBuf,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// The form of events at a terminal.
#[derive(Debug, clap::Args)]
pub(crate) struct JsonArgs {
    /// Write events as JSON, also to a terminal
    #[arg(long, help_heading = "Messages")]
    json: bool,
}

/// Which ffmpeg runs.
#[derive(Debug, clap::Args)]
pub(crate) struct FfmpegArgs {
    /// Path of the ffmpeg that reads and writes pictures and clips
    #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
    /// Stop an ffmpeg that does nothing for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = patience)]
    pub ffmpeg_timeout: f64,
}

impl FfmpegArgs {
    /// Looks for that ffmpeg.
    pub(crate) fn find(&self) -> Result<Ffmpeg, FfmpegError> {
        Ffmpeg::find(&self.ffmpeg, Duration::from_secs_f64(self.ffmpeg_timeout))
    }
}

fn patience(text: &str) -> Result<f64, String> {
    cht_core::process::cli::seconds_from(1.0, text)
}

fn range(values: RangeInclusive<i64>) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(values)
}

#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// Folder of a session, or an index.json
    pub session: PathBuf,
    /// Compare sizes only, and read no file
    #[arg(long)]
    pub quick: bool,
    #[command(flatten)]
    pub json: JsonArgs,
}

/// Parses a time as seconds, `M:SS` or `H:MM:SS`, into ticks.
fn time(text: &str) -> Result<i64, &'static str> {
    const WRONG: &str =
        "must be a time from 0 on: seconds, M:SS or H:MM:SS, such as 90.5, 1:30 or 1:30:00";
    written(text).map(ticks).ok_or(WRONG)
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
const EFFECTS: &[Effect<Args>] = &[
    Effect { option: "reason", is_there: has_scenes, place: OF_SCENES },
    Effect { option: "min_score", is_there: has_scenes, place: OF_SCENES },
    Effect { option: "min_length", is_there: has_scenes, place: OF_SCENES },
];

/// Where options that choose scenes have an effect.
const OF_SCENES: &str = "in lists of scenes";

/// Tells whether a command divides a recording into scenes.
fn has_scenes(args: &Args) -> bool {
    !matches!(&args.command, Command::List(list) if list.format.is_of_transcript())
}

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
        for wrong in ["", "-1", "1:5", "x"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
