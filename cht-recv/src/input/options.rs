//! Options of the command line about senders and their bytes.

use std::{path::PathBuf, time::Duration};

use cht_core::process::cli::{seconds, seconds_from};
use clap::{Args, ValueEnum};

use super::{allow::Cidr, spec::Input};
use crate::rate_limit::Bitrate;

/// Options of any input.
#[derive(Debug, Args)]
pub(crate) struct InputOptions {
    /// End after the first connection
    #[arg(long)]
    pub once: bool,
    /// What happens to a second sender while one is connected (with --once: reject)
    #[arg(long, value_name = "WHAT", env = "CHT_SECOND_SENDER", value_enum, default_value_t = SecondSender::Reject)]
    pub second_sender: SecondSender,
    /// Disconnect a sender after this much silence; 0: never [default: 0; udp and rtp 5; by ffmpeg
    /// 30]
    #[arg(long, value_name = "SECONDS", env = "CHT_IDLE_TIMEOUT", value_parser = seconds)]
    pub idle_timeout: Option<f64>,
    /// Disconnect a TCP sender whose machine has not answered for this long
    #[arg(long, value_name = "SECONDS", env = "CHT_KEEPALIVE", default_value_t = 60, value_parser = clap::value_parser!(u64).range(6..=86_400))]
    pub keepalive: u64,
    /// Network or address that may send; repeatable [default: any that reaches the port]
    #[arg(long, value_name = "CIDR", env = "CHT_ALLOW", value_delimiter = ',')]
    pub allow: Vec<Cidr>,
    /// Maximum rate of reading, in bits per second, such as 20M; the sender has to wait
    #[arg(long, value_name = "BITS", env = "CHT_MAX_BITRATE")]
    pub max_bitrate: Option<Bitrate>,
    #[command(flatten)]
    pub tls: TlsOptions,
    #[command(flatten)]
    pub ffmpeg: FfmpegOptions,
}

/// Options of `tls://`.
#[derive(Debug, Args)]
pub(crate) struct TlsOptions {
    /// Certificate for tls://, with its chain (PEM)
    #[arg(long, value_name = "FILE", env = "CHT_CERT", requires = "key")]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", env = "CHT_KEY", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Accept only senders with a certificate from these authorities (PEM)
    #[arg(long, value_name = "FILE", env = "CHT_CLIENT_CA", requires = "cert")]
    pub client_ca: Option<PathBuf>,
    /// Maximum time of a TLS handshake
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = |text: &str| seconds_from(0.1, text))]
    pub handshake_timeout: f64,
}

/// Options of inputs that ffmpeg opens.
#[derive(Debug, Args)]
pub(crate) struct FfmpegOptions {
    /// Read a file or http:// no faster than it plays
    #[arg(long)]
    pub realtime: bool,
    /// Encode streams that MPEG-TS cannot hold (VP9, MJPEG, PCM, rotated video) as H.264 and AAC;
    /// inputs by ffmpeg only
    #[arg(long)]
    pub transcode: bool,
    /// ffmpeg program for inputs that need one
    #[arg(long, value_name = "PATH", env = "CHT_FFMPEG", default_value = "ffmpeg")]
    pub ffmpeg: PathBuf,
}

/// Treatment of a second sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SecondSender {
    /// It is sent away
    Reject,
    /// It replaces the first
    Replace,
}

impl InputOptions {
    /// Returns whether a second sender takes the place of the first.
    pub(crate) fn replaces(&self) -> bool {
        self.second_sender == SecondSender::Replace && !self.once
    }

    /// Returns the silence that ends a connection of `input`; `None` if no silence does.
    pub(crate) fn idle_timeout(&self, input: &Input) -> Option<Duration> {
        let seconds = self.idle_timeout.unwrap_or_else(|| input.idle_timeout());
        (seconds > 0.0).then(|| Duration::from_secs_f64(seconds))
    }
}
