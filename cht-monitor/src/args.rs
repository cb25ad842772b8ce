//! The command line.

use std::{path::PathBuf, str::FromStr};

use cht_core::{
    live::Wanted,
    process::cli::{Effect, Group},
    segment::Which,
    timeline::written,
};
use clap::{Parser, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  cht-monitor
  cht-monitor sessions/20261123_010203 --from 12:30
  cht-recv | cht-monitor - | cht-segwatch | cht-scenes | cht-index
  cht-monitor --player mpv
  cht-monitor --fifo monitor.pipe
  cht-monitor --http :8080
  cht-monitor --stdout | ffmpeg -i - -c copy -f flv rtmp://127.0.0.1/live
";

/// Shows a session live in a player, and through a FIFO or HTTP
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Session to show [default: the newest below --sessions]
    ///
    /// With -, the one that events on stdin name; they are passed on
    #[arg(value_name = "SESSION", env = "CHT_SESSION")]
    pub session: Option<PathBuf>,
    /// Folder of the sessions
    #[arg(long, value_name = "DIR", env = "CHT_SESSIONS", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Begin there instead of now: start, MINUTES:SECONDS, -SECONDS
    ///
    /// Everything from there on is shown. Also seconds from the start; -SECONDS is before now
    #[arg(long, value_name = "start|TIME")]
    pub from: Option<From>,
    /// Show this program alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub program: Option<u16>,
    /// Of several videos or sounds show this one: its PID, or 0, 1 … for the first, second … video
    /// in the tables
    #[arg(long, value_name = "PID|INDEX")]
    pub stream: Option<Which>,
    /// Player to run: ffplay, mpv, vlc, or a command for sh
    ///
    /// A command reads MPEG-TS on stdin. Closed, a player ends cht-monitor, but for --fifo, --http
    /// and --restart [default: ffplay, without --fifo, --http and --stdout]
    #[arg(long, value_name = "NAME|CMD", conflicts_with = "stdout")]
    pub player: Option<String>,
    /// ffplay program to run
    #[arg(long, value_name = "PATH", default_value = "ffplay")]
    pub ffplay: PathBuf,
    /// Decode on the GPU
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Hwaccel::Auto)]
    pub hwaccel: Hwaccel,
    /// Start the player again after it was closed
    #[arg(long)]
    pub restart: bool,
    /// Write to this FIFO for any player that opens it
    ///
    /// It is made if it is absent
    #[arg(long, value_name = "PATH", conflicts_with = "stdout")]
    pub fifo: Option<PathBuf>,
    /// Serve the stream to viewers at http://HOST:PORT/live.ts
    ///
    /// Without a host, at the loopback address
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "stdout")]
    pub http: Option<String>,
    /// Write MPEG-TS to stdout, bit for bit
    #[arg(long)]
    pub stdout: bool,
    /// Print the command line of the player and end
    #[arg(long)]
    pub print_command: bool,
}

/// Use of the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Hwaccel {
    /// What the machine has and the player supports
    Auto,
    /// In software
    None,
    /// NVIDIA
    Cuda,
    /// Intel and AMD
    Vaapi,
    /// Any GPU with Vulkan Video
    Vulkan,
}

/// Place in the session where to begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum From {
    Start,
    /// On the session's timeline; negative: before its end.
    Seconds(f64),
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "start" {
            return Ok(Self::Start);
        }
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1.0, digits),
            None => (1.0, text),
        };
        written(digits).map(|seconds| Self::Seconds(sign * seconds)).ok_or_else(|| {
            "must be start, or a time as 90, 1:30, 1:00:00 or -30 (before now)".to_owned()
        })
    }
}

impl Args {
    /// Returns whether to run a player.
    pub(crate) fn plays(&self) -> bool {
        self.player.is_some() || !(self.stdout || self.serves())
    }

    /// Returns whether viewers may come that are no player of this program.
    pub(crate) fn serves(&self) -> bool {
        self.fifo.is_some() || self.http.is_some()
    }

    /// Returns the streams to show.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted { program: self.program, stream: self.stream }
    }

    fn plays_ffplay(&self) -> bool {
        self.plays() && self.player.as_ref().is_none_or(|player| player == "ffplay")
    }

    /// Returns whether to run a player that needs a display.
    pub(crate) fn plays_by_name(&self) -> bool {
        let named = |player: &String| ["ffplay", "mpv", "vlc"].contains(&player.as_str());
        self.plays() && self.player.as_ref().is_none_or(named)
    }

    /// Returns whether events on stdin name the session.
    pub(crate) fn reads_events(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.as_os_str() == "-")
    }
}

/// Headings of the options that few people need.
const GROUPS: &[Group] = &[
    ("Streams", &["program", "stream"]),
    ("Players", &["ffplay", "hwaccel", "restart", "print_command"]),
];

/// Options that have an effect only with certain others.
const EFFECTS: &[Effect<Args>] = &[
    Effect {
        option: "sessions",
        is_there: |args| args.session.is_none(),
        place: "without SESSION and CHT_SESSION",
    },
    Effect {
        option: "from",
        is_there: |args| !args.serves(),
        place: "without --fifo and --http, which are live",
    },
    Effect {
        option: "ffplay",
        is_there: Args::plays_ffplay,
        place: "where ffplay runs: without another --player, --fifo, --http and --stdout",
    },
    Effect {
        option: "hwaccel",
        is_there: Args::plays_by_name,
        place: "with ffplay, mpv or vlc as player",
    },
    Effect { option: "restart", is_there: Args::plays, place: "with a player" },
    Effect {
        option: "json",
        is_there: |args| args.reads_events(),
        place: "with - as SESSION, whose events are passed on",
    },
    Effect { option: "print_command", is_there: Args::plays, place: "with a player" },
];

pub(crate) fn parse() -> Args {
    cht_core::process::cli::parse_stage(EFFECTS, GROUPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_as_people_write_it() {
        let seconds = |text: &str| match text.parse() {
            Ok(From::Seconds(seconds)) => Some(seconds),
            _ => None,
        };
        assert_eq!("start".parse(), Ok(From::Start));
        assert_eq!(
            ["90", "1:30", "0:01:30.5", "-30"].map(seconds),
            [Some(90.0), Some(90.0), Some(90.5), Some(-30.0)]
        );
        for wrong in ["", "now", "1:2:3:4", "--3", "1e3", "nan", "1:-2", "1:99", "1:60:00"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
