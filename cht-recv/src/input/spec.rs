//! `--input`: the kind of input that a URL, a path or `-` stands for. Pure.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail, ensure};

use super::{
    ffmpeg::{
        input::{FfmpegInput, Way},
        url::shown,
    },
    udp_address::UdpAddress,
};

/// Silence that ends a connection of datagrams, in seconds: nothing else does.
const DATAGRAM_SILENCE: f64 = 5.0;

/// Silence after which ffmpeg is restarted, in seconds: some protocols never notice that the other
/// side has gone.
const FETCH_SILENCE: f64 = 30.0;

/// Kind of an input.
#[derive(Debug)]
pub(crate) enum Input {
    /// Senders connect by TCP, with or without TLS: see `tcp_address`.
    Streams,
    /// Senders connect to a socket in the file system.
    Unix(PathBuf),
    /// Another program's output.
    Stdin,
    /// UDP, with or without RTP.
    Datagrams(UdpAddress),
    /// ffmpeg receives or fetches it.
    Fetched(FfmpegInput),
}

impl Input {
    /// Reads a URL, `-`, or a path.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if url == "-" {
            return Ok(Self::Stdin);
        }
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            ensure!(!path.is_empty(), "{url}: must be unix:PATH, as unix:/run/cht.sock");
            return Ok(Self::Unix(path.into()));
        }
        Ok(match url.split_once("://") {
            Some(("tcp" | "tls", _)) => Self::Streams,
            Some(("udp", rest)) => Self::Datagrams(UdpAddress::parse(rest, false)?),
            Some(("rtp", rest)) => Self::Datagrams(UdpAddress::parse(rest, true)?),
            Some((scheme, _)) => Self::Fetched(FfmpegInput::url(scheme, url).ok_or_else(|| {
                anyhow!(
                    "{}: {scheme}:// is not received; let another program do it, \
                     and cht-recv --input - read its output",
                    shown(url)
                )
            })?),
            None if url.strip_prefix("file:").unwrap_or(url).is_empty() => {
                bail!("--input: a path or a URL is missing")
            }
            // A number alone is a port without its scheme, not a file's name.
            None if url.bytes().all(|byte| byte.is_ascii_digit()) => Self::Streams,
            None => Self::Fetched(FfmpegInput::file(url)),
        })
    }

    /// Returns the default of --idle-timeout, in seconds; 0: none.
    pub(crate) fn idle_timeout(&self) -> f64 {
        match self {
            Self::Datagrams(_) => DATAGRAM_SILENCE,
            Self::Fetched(input) if !input.is_finite() => FETCH_SILENCE,
            Self::Fetched(_) | Self::Streams | Self::Unix(_) | Self::Stdin => 0.0,
        }
    }

    /// Returns the verb for what happens at the input's address, for messages.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Stdin => "reading",
            Self::Fetched(input) => match input.way() {
                Way::Listens => "listening on",
                Way::Calls => "calling",
                Way::Reads => "reading",
            },
            Self::Streams | Self::Unix(_) | Self::Datagrams(_) => "listening on",
        }
    }

    /// Returns the URL to show.
    pub(crate) fn shown(&self, url: &str) -> String {
        match self {
            Self::Fetched(input) => input.shown().to_owned(),
            _ => url.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_selects_input() {
        let parse = |url| Input::parse(url).unwrap();
        assert!(matches!(parse("-"), Input::Stdin));
        assert!(matches!(parse("tls://:1"), Input::Streams));
        for url in ["unix:/a/b", "unix:///a/b"] {
            assert!(matches!(parse(url), Input::Unix(path) if path.as_os_str() == "/a/b"));
        }
        assert!(matches!(parse("rtp://:1"), Input::Datagrams(_)));
        assert!(matches!(parse("srt://:1"), Input::Fetched(input) if !input.is_finite()));
        assert!(matches!(parse("a/b.mp4"), Input::Fetched(input) if input.is_finite()));
        for wrong in ["unix:", "", "file:", "gopher://x:1", "udp://x", "srt://", "rtsp://u:p@"] {
            assert!(Input::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn error_has_no_secret() {
        let error = Input::parse("ftp://me:secret@host/x?token=secret").unwrap_err().to_string();
        assert!(error.starts_with("ftp://host/x: ") && !error.contains("secret"), "{error}");
    }
}
