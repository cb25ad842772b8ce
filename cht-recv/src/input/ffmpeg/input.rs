//! Inputs that ffmpeg opens: its options for each protocol, and the part of a URL that may be
//! shown. Pure.

use std::net::IpAddr;

use super::{redact::Redactor, url::Parts};
use cht_core::net::{is_every_interface, numeric, with_host};

/// An input that ffmpeg opens.
#[derive(Debug)]
pub(crate) struct FfmpegInput {
    kind: Kind,
    /// The URL for ffmpeg.
    url: String,
    /// The URL to show.
    shown: String,
    /// Hides its secrets in ffmpeg's messages.
    redactor: Redactor,
}

/// Protocol of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Srt,
    /// A sender connects.
    RtmpListen,
    /// We connect: ffmpeg has no listener with TLS.
    Rtmps,
    Rtsp,
    Http,
    File,
}

/// Side that begins a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A sender connects to us.
    Listens,
    /// We connect to a server or a sender.
    Calls,
    /// We read stored data.
    Reads,
}

impl FfmpegInput {
    /// Returns the input for a URL, if ffmpeg can open it.
    pub(crate) fn url(scheme: &str, url: &str) -> Option<Self> {
        let kind = match scheme {
            "srt" => Kind::Srt,
            "rtmp" => Kind::RtmpListen,
            "rtmps" => Kind::Rtmps,
            "rtsp" | "rtsps" => Kind::Rtsp,
            "http" | "https" => Kind::Http,
            "file" => return Some(Self::file(url.strip_prefix("file://")?)),
            _ => return None,
        };
        let listens = matches!(kind, Kind::Srt | Kind::RtmpListen);
        let given = Parts::of(url)?;
        if given.authority.is_empty() || (given.authority.starts_with(':') && !listens) {
            return None;
        }
        let whole = whole(kind, &given);
        let parts = Parts::of(&whole)?;
        let shown = match kind {
            // The last part of the path is the stream's key.
            Kind::RtmpListen | Kind::Rtmps => {
                let path = parts.path.rsplit_once('/').map_or("", |(app, _)| app);
                format!("{scheme}://{}{path}", parts.authority)
            }
            _ => parts.shown(),
        };
        let mut secrets = parts.secrets();
        if matches!(kind, Kind::RtmpListen | Kind::Rtmps) {
            secrets.extend(parts.path.rsplit('/').next());
        }
        let redactor = Redactor::over(&[&whole, url], &shown, &secrets);
        Some(Self { kind, shown, redactor, url: whole })
    }

    /// Returns the input for a file, by `PATH` or `file:PATH`.
    pub(crate) fn file(path: &str) -> Self {
        let path = path.strip_prefix("file:").unwrap_or(path);
        // The prefix keeps a name from being read as an option or another protocol.
        let url = format!("file:{path}");
        let redactor = Redactor::over(&[&url], path, &[]);
        Self { kind: Kind::File, url, shown: path.to_owned(), redactor }
    }

    /// Returns the URL without passwords, queries and keys.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns the redactor for ffmpeg's messages.
    pub(crate) fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Returns whether the input ends for good, so that a failure would only repeat.
    pub(crate) fn is_finite(&self) -> bool {
        self.kind == Kind::File
    }

    /// Returns whether the data is stored, so that it may come faster than real time and ends when
    /// ffmpeg has read all of it.
    pub(crate) fn is_stored(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Http)
    }

    /// Returns the side that begins a connection.
    pub(crate) fn way(&self) -> Way {
        let listens = |parts: Parts<'_>| parts.settings().any(|setting| setting == LISTENER);
        match self.kind {
            Kind::RtmpListen => Way::Listens,
            Kind::Srt if Parts::of(&self.url).is_some_and(listens) => Way::Listens,
            Kind::Srt | Kind::Rtmps | Kind::Rtsp => Way::Calls,
            Kind::Http | Kind::File => Way::Reads,
        }
    }

    /// Returns advice for an address that is called, where a sender may be meant to call.
    pub(crate) fn hint(&self) -> &'static str {
        if self.kind == Kind::Srt && self.way() == Way::Calls {
            "; ?mode=listener, or srt://0.0.0.0:PORT, waits for a sender that calls"
        } else {
            ""
        }
    }

    /// Returns the listening address, if any machine that reaches this one may send to it.
    pub(crate) fn open_to_all(&self) -> Option<IpAddr> {
        let parts = Parts::of(&self.url).filter(|_| self.way() == Way::Listens)?;
        let is_secret = parts.settings().any(|setting| setting.starts_with("passphrase="));
        numeric(parts.host()).filter(|address| !is_secret && is_every_interface(*address))
    }

    /// Returns the ffmpeg protocol that the input needs.
    pub(crate) fn protocol(&self) -> &str {
        match self.kind {
            // To ffmpeg, RTSP is a format.
            Kind::Rtsp if self.url.starts_with("rtsps") => "tls",
            Kind::Rtsp => "tcp",
            _ => self.url.split(':').next().unwrap_or_default(),
        }
    }

    /// Returns ffmpeg's arguments, from the input's to the output's. `encoding` is for streams that
    /// are not copied.
    pub(crate) fn arguments<'a>(&'a self, realtime: bool, encoding: &'a [String]) -> Vec<&'a str> {
        let mut arguments = vec!["-loglevel", "level+info"];
        // Microseconds.
        arguments.extend_from_slice(match self.kind {
            Kind::Srt | Kind::File | Kind::Rtmps => &[],
            Kind::RtmpListen => &["-listen", "1"],
            // Over UDP a camera's pictures arrive damaged, but some servers offer nothing else.
            Kind::Rtsp => &["-rtsp_flags", "prefer_tcp", "-timeout", "10000000"],
            Kind::Http => &[
                "-rw_timeout",
                "20000000",
                "-reconnect",
                "1",
                "-reconnect_streamed",
                "1",
                "-reconnect_on_network_error",
                "1",
                "-reconnect_delay_max",
                "5",
            ],
        });
        if !self.is_stored() {
            // Data that ffmpeg analyses before it writes any. With less, it misses codecs.
            arguments.extend(["-analyzeduration", "2000000"]);
        }
        if realtime {
            arguments.push("-re");
        }
        arguments.extend(["-i", &self.url]);
        arguments.extend_from_slice(STREAMS);
        arguments.extend(encoding.iter().map(String::as_str));
        arguments.extend_from_slice(OUTPUT);
        arguments
    }
}

/// Copies every stream but attachments (fonts, which MPEG-TS cannot hold).
#[rustfmt::skip]
const STREAMS: &[&str] = &["-map", "0", "-map", "-0:t", "-copy_unknown", "-c", "copy"];

/// Output options: a transport stream on stdout, written at once.
#[rustfmt::skip]
const OUTPUT: &[&str] = &[
    // Without these the first PTS is 1.4 s late against its own PCR, for tape and satellite.
    "-muxdelay", "0", "-muxpreload", "0",
    // A silent subtitle track must not delay the video by ten seconds.
    "-max_interleave_delta", "500000",
    "-flush_packets", "1", "-f", "mpegts", "pipe:1",
];

/// Setting of an SRT URL that makes ffmpeg wait for a caller.
const LISTENER: &str = "mode=listener";

/// Completes a URL: loopback where it names no host, and listening where there is no host to call.
fn whole(kind: Kind, parts: &Parts<'_>) -> String {
    let Parts { scheme, userinfo, authority, path, query } = parts;
    let userinfo = userinfo.map_or(String::new(), |userinfo| format!("{userinfo}@"));
    let has_no_host =
        authority.starts_with(':') || numeric(parts.host()).is_some_and(is_every_interface);
    let has_mode = parts.settings().any(|setting| setting.starts_with("mode="));
    let mode = (kind == Kind::Srt && has_no_host && !has_mode).then_some(LISTENER);
    let query = query.iter().copied().chain(mode).collect::<Vec<_>>().join("&");
    let mark = if query.is_empty() && parts.query.is_none() { "" } else { "?" };
    format!("{scheme}://{userinfo}{}{path}{mark}{query}", with_host(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(url: &str) -> FfmpegInput {
        FfmpegInput::url(url.split_once("://").unwrap().0, url).unwrap()
    }

    #[test]
    fn srt_without_host_to_call_listens_on_loopback() {
        let url = |text| input(text).url;
        assert_eq!(url("srt://:9000"), "srt://127.0.0.1:9000?mode=listener");
        assert_eq!(url("srt://0.0.0.0:9?latency=1"), "srt://0.0.0.0:9?latency=1&mode=listener");
        assert_eq!(url("srt://0:9"), "srt://0:9?mode=listener");
        assert_eq!(url("srt://[::]:9"), "srt://[::]:9?mode=listener");
        assert_eq!(url("srt://host:9000?latency=1"), "srt://host:9000?latency=1");
        assert_eq!(url("srt://:9?mode=caller"), "srt://127.0.0.1:9?mode=caller");
        assert_eq!(url("rtmp://:1935/live/key"), "rtmp://127.0.0.1:1935/live/key");
    }

    #[test]
    fn way_and_openness_follow_host_and_mode() {
        for (url, way, open) in [
            ("srt://:9000", Way::Listens, false),
            ("srt://0:9000", Way::Listens, true),
            ("srt://0:9000?passphrase=abcdefghij", Way::Listens, false),
            ("srt://0:9000?mode=caller", Way::Calls, false),
            ("srt://host:9000", Way::Calls, false),
            ("srt://host:9000?mode=listener", Way::Listens, false),
            ("rtmp://0.0.0.0:1935/live/key", Way::Listens, true),
            ("rtsp://0.0.0.0/cam", Way::Calls, false),
            ("http://host/a.ts", Way::Reads, false),
        ] {
            let input = input(url);
            assert_eq!((input.way(), input.open_to_all().is_some()), (way, open), "{url}");
            let is_called = url.starts_with("srt") && way == Way::Calls;
            assert_eq!(!input.hint().is_empty(), is_called, "{url}");
        }
    }

    #[test]
    fn shown_url_has_no_secrets() {
        let shown = |text| input(text).shown;
        assert_eq!(shown("srt://h:1?passphrase=abcdefghij"), "srt://h:1");
        assert_eq!(shown("rtmp://h:1935/live/key"), "rtmp://h:1935/live");
        assert_eq!(shown("rtsp://me:w@rd@h/cam?x=1"), "rtsp://h/cam");
        assert_eq!(shown("https://h/a/b.m3u8?token=x"), "https://h/a/b.m3u8");
    }

    #[test]
    fn ffmpeg_messages_are_redacted() {
        let hide = |url: &str, text: &str| input(url).redactor.hide(text);
        let srt = "srt://h:1?passphrase=abcdefghij&latency=20";
        let said = format!("Connection to {srt} failed");
        assert_eq!(hide(srt, &said), "Connection to srt://h:1 failed");
        assert_eq!(hide(srt, "word abcdefghij!"), "word …!");
        assert_eq!(hide("rtmp://h:1/live/streamkey", "expecting streamkey"), "expecting …");
        let part = "Opening 'https://me:pw@h/1.ts?token=else' for reading";
        assert_eq!(hide("https://h/a.m3u8", part), "Opening 'https://h/1.ts' for reading");
    }

    #[test]
    fn file_name_is_neither_option_nor_protocol() {
        let file = FfmpegInput::file("-x:y.ts");
        assert!(file.arguments(true, &[]).windows(3).any(|w| w == ["-re", "-i", "file:-x:y.ts"]));
        assert_eq!(FfmpegInput::file("file:/a").url, "file:/a");
    }
}
