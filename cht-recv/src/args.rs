//! The command line.

use std::path::PathBuf;

use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-recv --listen tcp://127.0.0.1:5000 --sessions /var/lib/cht --segment-time 10
  cht-recv --once --session-id demo >events.ndjson
Send to it:
  ffmpeg -re -i FILE -c copy -f mpegts tcp://127.0.0.1:4444
";

/// Records an MPEG-TS stream that arrives over TCP, bit for bit, into segments that begin with a keyframe
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::exit::TABLE,
          help_template = cht_core::cli::HELP)]
pub(crate) struct Args {
    /// Where senders connect; without a host, the loopback address
    #[arg(long, value_name = "URL", default_value = "tcp://127.0.0.1:4444")]
    pub listen: String,
    /// Folder that holds the sessions; made if missing
    #[arg(long, value_name = "DIR", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Name of the session; one that exists is continued [default: the local time]
    #[arg(long, value_name = "ID")]
    pub session_id: Option<String>,
    /// A segment ends before the first keyframe after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub segment_time: f64,
    /// End after the first connection
    #[arg(long)]
    pub once: bool,
}

pub(crate) fn parse() -> Args {
    Args::parse()
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be a number of seconds from 0 to 86400".to_owned()),
    }
}
