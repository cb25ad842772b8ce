//! The command line.

use std::path::PathBuf;

use cht_core::process::cli::Effect;
use clap::{Parser, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  cht-monitor
  cht-monitor sessions/20261123_010203 --cuda off
  cht-monitor --player 'mpv --profile=low-latency -'
  cht-monitor --stdout | ffmpeg -i - -c copy -f flv rtmp://127.0.0.1/live
";

/// Shows a session live in ffplay, with CUDA where possible
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Session to show [default: the newest below --sessions]
    #[arg(value_name = "SESSION", env = "CHT_SESSION")]
    pub session: Option<PathBuf>,
    /// Folder of the sessions
    #[arg(long, value_name = "DIR", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Start at the beginning of the session instead of now
    #[arg(long)]
    pub from_start: bool,
    /// Decode on an NVIDIA GPU
    #[arg(long, value_enum, default_value_t = Cuda::Auto)]
    pub cuda: Cuda,
    /// ffplay program to run
    #[arg(long, value_name = "PATH", default_value = "ffplay")]
    pub ffplay: PathBuf,
    /// Another player, run by sh, that reads MPEG-TS on stdin
    #[arg(long, value_name = "CMD", conflicts_with = "stdout")]
    pub player: Option<String>,
    /// Write MPEG-TS to stdout instead of running a player
    #[arg(long)]
    pub stdout: bool,
    /// Print the command line of the player and end
    #[arg(long)]
    pub print_command: bool,
}

/// Use of the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cuda {
    /// If the machine has one and ffplay supports it
    Auto,
    /// Without checking
    On,
    /// In software
    Off,
}

/// Options that have an effect only with certain others.
const EFFECTS: &[Effect<Args>] = &[
    Effect {
        option: "sessions",
        is_there: |args| args.session.is_none(),
        place: "without SESSION and CHT_SESSION",
    },
    Effect {
        option: "cuda",
        is_there: |args| args.player.is_none() && !args.stdout,
        place: "without --player and --stdout",
    },
    Effect {
        option: "ffplay",
        is_there: |args| args.player.is_none() && !args.stdout,
        place: "without --player and --stdout",
    },
    Effect { option: "print_command", is_there: |args| !args.stdout, place: "without --stdout" },
];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse(EFFECTS)
}
