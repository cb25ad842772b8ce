//! The command line, before it becomes inputs and plans.

use std::path::PathBuf;

use cht_core::process::cli::{self, Effect, Group, seconds};
use clap::Parser;

use crate::{
    input::{
        options::{InputOptions, SecondSender},
        spec::Input,
    },
    record::options::RecordOptions,
    session_time::SessionTime,
};

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-recv --listen tcp://127.0.0.1:5000 --sessions /srv/cht --segment-time 10
  cht-recv --once --session-id demo >events.ndjson
  cht-recv --session-time midnight --min-free 20G --retain-age 7d
  cht-recv --listen tls://0.0.0.0:4444 --cert cert.pem --key key.pem
  cht-recv --input 'udp://239.1.1.1:5000?iface=eth0'
  cht-recv --input 'srt://0.0.0.0:9000?passphrase=0123456789'
  cht-recv --input - <old.ts
  cht-recv --metrics 127.0.0.1:9444 --allow 192.168.1.0/24
Send to it:
  ffmpeg -re -i FILE -c copy -f mpegts tcp://127.0.0.1:4444
";

/// Records an MPEG-TS stream, bit for bit, into segments that begin with a keyframe
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cli::HELP)]
pub(crate) struct Args {
    /// Input: where senders connect, or a source to read
    ///
    /// Senders connect to tcp://HOST:PORT, tls:// or unix:PATH, or send to udp:// or rtp://;
    /// without a host, to the loopback address. `-` reads stdin. ffmpeg reads srt://, rtmp://,
    /// rtsp://, http://, https:// and files, and these are not recorded bit for bit
    #[arg(
        long,
        visible_alias = "input",
        value_name = "URL",
        env = "CHT_LISTEN",
        hide_env_values = true,
        default_value = "tcp://127.0.0.1:4444"
    )]
    pub listen: String,
    /// Folder of the sessions; created if missing
    #[arg(long, value_name = "DIR", env = "CHT_SESSIONS", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Name of the session; an existing one is continued [default: the local time]
    #[arg(long, value_name = "ID")]
    pub session_id: Option<String>,
    /// Start a new session after this long without a sender; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = seconds,
          conflicts_with = "session_id")]
    pub session_gap: f64,
    /// Begin a new session, without losing a byte, at the first keyframe after this time, such as
    /// 24h, or with each local day: midnight
    #[arg(long, value_name = "TIME", env = "CHT_SESSION_TIME", conflicts_with = "session_id")]
    pub session_time: Option<SessionTime>,
    #[command(flatten)]
    pub record: RecordOptions,
    #[command(flatten)]
    pub input: InputOptions,
    /// Time between `stats` events; 0: none
    #[arg(long, value_name = "SECONDS", env = "CHT_STATS_INTERVAL", default_value_t = 10.0, value_parser = seconds)]
    pub stats_interval: f64,
    /// Serve metrics to Prometheus at this address, under /metrics; without a host, at the loopback
    /// address
    #[arg(long, value_name = "HOST:PORT", env = "CHT_METRICS")]
    pub metrics: Option<String>,
}

impl Args {
    /// Returns the input; `None` if the URL is wrong, which opening it reports.
    fn input(&self) -> Option<Input> {
        Input::parse(&self.listen).ok()
    }

    /// Returns whether senders use one of these protocols.
    fn is_by(&self, protocols: &[&str]) -> bool {
        self.listen.split_once("://").is_some_and(|(protocol, _)| protocols.contains(&protocol))
    }
}

/// Headings of the options that few people need.
const GROUPS: &[Group] = &[
    ("Sessions", &["session_gap", "session_time"]),
    ("Segments", &["segment_max_bytes", "segment_max_time"]),
    ("Retention", &["bytes", "age", "frames_age"]),
    ("Senders", &["second_sender", "idle_timeout", "keepalive", "allow", "max_bitrate"]),
    ("TLS", &["cert", "key", "client_ca", "handshake_timeout"]),
    ("Inputs by ffmpeg", &["realtime", "transcode", "ffmpeg"]),
    ("State", &["stats_interval", "metrics"]),
];

/// Options that have an effect only with certain others.
const EFFECTS: &[Effect<Args>] = &[
    Effect {
        option: "second_sender",
        is_there: |args| args.input.second_sender == SecondSender::Reject || !args.input.once,
        place: "without --once, which serves one sender",
    },
    Effect {
        option: "second_sender",
        is_there: |args| {
            args.input.second_sender == SecondSender::Reject
                || !matches!(args.input(), Some(Input::Stdin | Input::Fetched(_)))
        },
        place: "with tcp://, tls://, unix:, udp:// and rtp://",
    },
    Effect {
        option: "session_gap",
        is_there: |args| !args.input.once && !matches!(args.input(), Some(Input::Stdin)),
        place: "without --once, and where a sender may come after another",
    },
    Effect {
        option: "ffmpeg",
        is_there: |args| args.input().is_none_or(|input| matches!(input, Input::Fetched(_))),
        place: "with srt://, rtmp://, rtsp://, http://, https:// and files",
    },
    Effect {
        option: "keepalive",
        is_there: |args| args.is_by(&["tcp", "tls"]),
        place: "with tcp:// and tls://",
    },
    Effect {
        option: "handshake_timeout",
        is_there: |args| args.is_by(&["tls"]),
        place: "with tls://",
    },
];

pub(crate) fn parse() -> Args {
    cli::parse_stage(EFFECTS, GROUPS)
}
