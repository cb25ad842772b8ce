//! The command line.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, ensure};
use cht_core::process::cli::{Effect, seconds_from};
use clap::{Parser, ValueEnum};

use crate::{
    input::{allow::Cidr, spec::Input},
    rate_limit::Bitrate,
    record::{limits::SegmentLimits, recorder::Plan, retention::Limits},
    units::{self, Size},
};

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-recv --listen tcp://127.0.0.1:5000 --sessions /var/lib/cht --segment-time 10
  cht-recv --once --session-id demo >events.ndjson
  cht-recv --sessions /var/lib/cht --min-free 20G --retain-age 7d
  cht-recv --listen tls://0.0.0.0:4444 --cert cert.pem --key key.pem --allow 192.168.1.0/24
  cht-recv --input 'udp://239.1.1.1:5000?iface=eth0'
  cht-recv --input 'srt://0.0.0.0:9000?passphrase=0123456789'
  cht-recv --input - <old.ts
  cht-recv --metrics 127.0.0.1:9444 --stats-interval 1 | jq 'select(.type == \"stats\").recv'
Send to it:
  ffmpeg -re -i FILE -c copy -f mpegts tcp://127.0.0.1:4444
";

/// Records an MPEG-TS stream, bit for bit, into segments that begin with a keyframe
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::process::exit::TABLE,
          help_template = cht_core::process::cli::HELP)]
pub(crate) struct Args {
    /// Where the stream comes from. Senders connect or send: tcp://HOST:PORT, tls://, unix:PATH, udp://, rtp://;
    /// without a host, the loopback address. Read: - (stdin). By ffmpeg, not bit for bit: srt://, rtmp://, rtsp://,
    /// http://, https://, a file
    #[arg(
        long,
        visible_alias = "input",
        value_name = "URL",
        default_value = "tcp://127.0.0.1:4444",
        verbatim_doc_comment
    )]
    pub listen: String,
    /// Folder that holds the sessions; made if missing
    #[arg(long, value_name = "DIR", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Name of the session; one that exists is continued [default: the local time]
    #[arg(long, value_name = "ID")]
    pub session_id: Option<String>,
    /// A segment ends before the first keyframe after so many seconds; 0: before each
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = cht_core::process::cli::seconds)]
    pub segment_time: f64,
    /// A segment ends when it is so large, whatever comes; at a picture shortly before, if one begins there
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = units::segment_size)]
    pub segment_max_bytes: Size,
    /// A segment ends after so long, keyframe or not [default: ten times --segment-time, at least 60]
    #[arg(long, value_name = "SECONDS", value_parser = cht_core::process::cli::seconds)]
    pub segment_max_time: Option<f64>,
    /// Remove the oldest segments of all sessions, as far as it takes to leave this much of the disk free, as 20GiB
    #[arg(long, value_name = "SIZE")]
    pub min_free: Option<Size>,
    /// Remove the oldest segments when those of all sessions are more than this together, as 500GiB
    #[arg(long, value_name = "SIZE")]
    pub retain_bytes: Option<Size>,
    /// Remove segments that were closed longer ago than this, as 12h or 7d; 0s: all that are closed
    #[arg(long, value_name = "TIME", value_parser = units::age)]
    pub retain_age: Option<Duration>,
    /// End after the first connection
    #[arg(long)]
    pub once: bool,
    /// What happens to a sender that comes while another one is connected (with --once: reject)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = SecondSender::Reject)]
    pub second_sender: SecondSender,
    /// A sender that was silent for so long is disconnected; 0: never [default: 0; udp and rtp 5; by ffmpeg 30]
    #[arg(long, value_name = "SECONDS", value_parser = cht_core::process::cli::seconds)]
    pub idle_timeout: Option<f64>,
    /// A sender by TCP whose machine does not answer any more is disconnected after so many seconds of silence
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(6..=86_400))]
    pub keepalive: u64,
    /// Read a file, or http://, no faster than it plays
    #[arg(long)]
    pub realtime: bool,
    /// Encode what MPEG-TS cannot hold (VP9, MJPEG, PCM; turned video) as H.264 and AAC; inputs by ffmpeg only
    #[arg(long)]
    pub transcode: bool,
    /// The ffmpeg for inputs that need one
    #[arg(long, value_name = "PATH", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
    /// After so long without a sender the next one starts a new session; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = cht_core::process::cli::seconds,
          conflicts_with = "session_id")]
    pub session_gap: f64,
    /// Network or address that may send; repeatable [default: whoever reaches the address]
    #[arg(long, value_name = "CIDR")]
    pub allow: Vec<Cidr>,
    /// Bits per second that are read at most, as 20M; the sender has to wait
    #[arg(long, value_name = "BITS")]
    pub max_bitrate: Option<Bitrate>,
    /// Certificate for tls://, PEM; with its chain
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Only senders with a certificate of these authorities, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub client_ca: Option<PathBuf>,
    /// A TLS handshake may take so long
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = |text: &str| seconds_from(0.1, text))]
    pub handshake_timeout: f64,
    /// Seconds between two `stats` events; 0: none
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = cht_core::process::cli::seconds)]
    pub stats_interval: f64,
    /// Where Prometheus may ask, at /metrics; without a host, the loopback address
    #[arg(long, value_name = "HOST:PORT")]
    pub metrics: Option<String>,
}

impl Args {
    /// Where the stream comes from; none if the URL is wrong, which is said later.
    fn input(&self) -> Option<Input> {
        Input::parse(&self.listen).ok()
    }

    /// Whether senders come by one of these protocols.
    fn is_by(&self, protocols: &[&str]) -> bool {
        self.listen.split_once("://").is_some_and(|(protocol, _)| protocols.contains(&protocol))
    }

    /// How a session is recorded.
    pub(crate) fn plan(&self) -> Result<Plan> {
        let max_time = self.segment_max_time.unwrap_or((self.segment_time * 10.0).max(60.0));
        ensure!(
            max_time > 0.0 && max_time >= self.segment_time,
            "--segment-max-time {max_time}: must be above 0, and not below --segment-time"
        );
        let time = Duration::from_secs_f64(max_time);
        Ok(Plan {
            segment_time: self.segment_time,
            bounds: SegmentLimits { bytes: self.segment_max_bytes.0, time },
            limits: Limits {
                min_free: self.min_free,
                bytes: self.retain_bytes,
                age: self.retain_age,
            },
        })
    }
}

/// What happens to a second sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecondSender {
    /// It is sent away
    Reject,
    /// It takes the place of the first
    Replace,
}

/// Options that do something only next to certain others.
const EFFECTS: &[Effect<Args>] = &[
    Effect {
        option: "second_sender",
        is_there: |args| args.second_sender == SecondSender::Reject || !args.once,
        place: "without --once, which serves one sender",
    },
    Effect {
        option: "second_sender",
        is_there: |args| {
            args.second_sender == SecondSender::Reject
                || !matches!(args.input(), Some(Input::StdinSource | Input::Fetched(_)))
        },
        place: "with tcp://, tls://, unix:, udp:// and rtp://",
    },
    Effect {
        option: "session_gap",
        is_there: |args| !args.once && !matches!(args.input(), Some(Input::StdinSource)),
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
    cht_core::process::cli::parse(EFFECTS)
}
