//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::{allow::Cidr, pace::Bitrate};

const EXAMPLES: &str = "\
Examples:
  cht-recv | cht-segwatch | cht-scenes | cht-index
  cht-recv --listen tcp://127.0.0.1:5000 --sessions /var/lib/cht --segment-time 10
  cht-recv --once --session-id demo >events.ndjson
  cht-recv --listen tls://0.0.0.0:4444 --cert cert.pem --key key.pem --allow 192.168.1.0/24
  cht-recv --metrics 127.0.0.1:9444 --stats-interval 1 | jq 'select(.type == \"stats\").recv'
Send to it:
  ffmpeg -re -i FILE -c copy -f mpegts tcp://127.0.0.1:4444
";

/// Records an MPEG-TS stream that arrives over TCP or TLS, bit for bit, into segments that begin with a keyframe
#[derive(Debug, Parser)]
#[command(version, before_help = EXAMPLES, after_help = cht_core::exit::TABLE,
          help_template = cht_core::cli::HELP)]
pub(crate) struct Args {
    /// Where senders connect, tcp://HOST:PORT or tls://HOST:PORT; without a host, the loopback address
    #[arg(long, value_name = "URL", default_value = "tcp://127.0.0.1:4444")]
    pub listen: String,
    /// Folder that holds the sessions; made if missing
    #[arg(long, value_name = "DIR", default_value = "sessions")]
    pub sessions: PathBuf,
    /// Name of the session; one that exists is continued [default: the local time]
    #[arg(long, value_name = "ID")]
    pub session_id: Option<String>,
    /// A segment ends before the first keyframe after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = cht_core::cli::seconds)]
    pub segment_time: f64,
    /// End after the first connection
    #[arg(long)]
    pub once: bool,
    /// What happens to a sender that comes while another one is connected (with --once: reject)
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = SecondSender::Reject)]
    pub second_sender: SecondSender,
    /// A sender that was silent for so long is disconnected; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = cht_core::cli::seconds)]
    pub idle_timeout: f64,
    /// After so long without a sender the next one starts a new session; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 0.0, value_parser = cht_core::cli::seconds,
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
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = cht_core::cli::seconds)]
    pub handshake_timeout: f64,
    /// Seconds between two `stats` events; 0: none
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = cht_core::cli::seconds)]
    pub stats_interval: f64,
    /// Where Prometheus may ask, at /metrics; without a host, the loopback address
    #[arg(long, value_name = "HOST:PORT")]
    pub metrics: Option<String>,
}

/// What happens to a second sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecondSender {
    /// It is sent away
    Reject,
    /// It takes the place of the first
    Replace,
}

pub(crate) fn parse() -> Args {
    Args::parse()
}
