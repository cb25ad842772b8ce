//! ffmpeg: its version, and the parts that the tools use.

use std::{collections::BTreeSet, path::Path};

use cht_core::process::ffmpeg::{self, OLDEST};

use super::finding::Finding;

/// A part of ffmpeg, by its kind and name, and what it is for; whether all is lost without it.
const PARTS: [(&str, &str, &str, bool); 14] = [
    ("demuxers", "mpegts", "reading recordings", true),
    ("muxers", "mpegts", "recording other containers and protocols", true),
    ("decoders", "h264", "H.264", true),
    ("decoders", "hevc", "HEVC", false),
    ("decoders", "mpeg2video", "MPEG-2 video", false),
    ("decoders", "aac", "AAC sound", false),
    ("filters", "scale", "pictures", true),
    ("filters", "tile", "contact sheets", false),
    ("encoders", "mjpeg", "contact sheets", false),
    ("encoders", "libx264", "clips to the picture, and --transcode", false),
    ("encoders", "aac", "clips to the picture, and --transcode", false),
    ("encoders", "libopus", "cht-audio --format opus", false),
    ("protocols", "srt", "srt:// inputs", false),
    ("protocols", "rtmp", "rtmp:// inputs", false),
];

/// How to get an ffmpeg.
const INSTALL: &str =
    "install ffmpeg by the system's package manager, or name another by CHT_FFMPEG";

/// The program.
#[derive(Debug)]
pub(crate) struct Program {
    found: Result<String, String>,
}

impl Program {
    pub(crate) fn look(path: &Path) -> Self {
        let found = ffmpeg::Program::find(path);
        Self { found: found.map(|it| it.version().to_owned()).map_err(|error| error.to_string()) }
    }

    /// Tells whether it can be asked about its parts.
    pub(crate) fn is_usable(&self) -> bool {
        self.found.is_ok()
    }

    pub(crate) fn judge(&self) -> Finding {
        match &self.found {
            Ok(version) => {
                let (major, minor) = OLDEST;
                Finding::fine("ffmpeg", format!("{version} ({major}.{minor} or later is needed)"))
            }
            Err(error) => {
                // The end of the message names a remedy, too.
                let text = error.rsplit_once("; ").map_or(&**error, |(text, _)| text);
                Finding::missing("ffmpeg", text, INSTALL)
            }
        }
    }
}

/// The parts that this ffmpeg has, by kind and name.
#[derive(Debug)]
pub(crate) struct Parts {
    found: BTreeSet<(&'static str, String)>,
}

impl Parts {
    pub(crate) fn look(path: &Path) -> Self {
        let mut found = BTreeSet::new();
        for kind in ["demuxers", "muxers", "decoders", "encoders", "filters", "protocols"] {
            let asked = ffmpeg::ask(path, &["-hide_banner", &format!("-{kind}")]);
            let text = asked.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
            let names = names(kind, &text.unwrap_or_default());
            found.extend(names.into_iter().map(|name| (kind, name)));
        }
        Self { found }
    }

    pub(crate) fn judge(&self) -> Finding {
        let absent = PARTS.iter().filter(|(kind, name, ..)| {
            let is_it = |it: &&(&str, String)| it.0 == *kind && it.1 == *name;
            !self.found.iter().any(|it| is_it(&it))
        });
        let absent: Vec<_> = absent.collect();
        if absent.is_empty() {
            return Finding::fine("ffmpeg has", "all codecs, containers and protocols");
        }
        let part = |(kind, name, use_of, _): &&(&str, &str, &str, bool)| {
            format!("{} {name} ({use_of})", kind.trim_end_matches('s'))
        };
        let text = "no ".to_owned() + &absent.iter().map(part).collect::<Vec<_>>().join(", no ");
        let remedy = "use an ffmpeg that was built with it, by CHT_FFMPEG";
        if absent.iter().any(|part| part.3) {
            Finding::missing("ffmpeg has", text, remedy)
        } else {
            Finding::limited("ffmpeg has", text, remedy)
        }
    }
}

/// Returns the names in a list that ffmpeg printed: after flags, but for protocols; several of one
/// demuxer are joined by commas.
fn names(kind: &str, list: &str) -> Vec<String> {
    let input = list.split("Output:").next().unwrap_or_default();
    let names = input.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        if kind == "protocols" { words.next() } else { words.nth(1) }
    });
    names.flat_map(|names| names.split(',')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::finding::State, *};

    #[test]
    fn names_stand_after_flags() {
        let decoders = "Decoders:\n V..... = Video\n ------\n VFS..D h264    H.264 / AVC\n";
        assert!(names("decoders", decoders).contains(&"h264".to_owned()));
        let demuxers = " D   matroska,webm   Matroska / WebM\n D  mpegts  MPEG-TS\n";
        assert_eq!(names("demuxers", demuxers), ["matroska", "webm", "mpegts"]);
        let protocols = "Supported file protocols:\nInput:\n  srt\nOutput:\n  rtmp\n";
        let found = names("protocols", protocols);
        assert!(found.contains(&"srt".to_owned()) && !found.contains(&"rtmp".to_owned()));
    }

    #[test]
    fn absent_part_is_named_with_its_use() {
        let all = || PARTS.iter().map(|(kind, name, ..)| (*kind, (*name).to_owned()));
        assert_eq!(Parts { found: all().collect() }.judge().state, State::Fine);
        let without = |name: &str| Parts { found: all().filter(|it| it.1 != name).collect() };
        let finding = without("srt").judge();
        assert_eq!(
            (finding.state, &*finding.text),
            (State::Limited, "no protocol srt (srt:// inputs)")
        );
        assert_eq!(without("h264").judge().state, State::Missing);
    }

    #[test]
    fn ffmpeg_that_cannot_be_run_is_missing() {
        let finding = Program::look(Path::new("/nonexistent/ffmpeg")).judge();
        assert!(finding.state == State::Missing && finding.text.starts_with("/nonexistent/"));
        assert_eq!(Program { found: Ok("7.1".into()) }.judge().state, State::Fine);
    }
}
