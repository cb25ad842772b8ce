//! Tells the segments in a folder by their names. Other programs' folders hold more: hidden files,
//! files with a temporary name, videos in other containers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use cht_core::session::names::{SEGMENTS, is_temporary};

/// Extensions of videos that are not, or may not be, transport streams.
const VIDEOS: [&str; 15] = [
    "mp4", "mkv", "flv", "mov", "avi", "webm", "m4s", "m4v", "mpg", "mpeg", "vob", "wmv", "3gp",
    "ogv", "mxf",
];

/// Kind of a file, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A segment, by its extension.
    Segment,
    /// A hidden segment.
    Hidden,
    /// A segment under a temporary name.
    Temporary,
    /// A video in another container, by its extension.
    Video(String),
    /// Any other file.
    Other,
}

/// Returns the kind of a file, by its name.
pub(crate) fn kind_of(path: &Path) -> Kind {
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    if VIDEOS.contains(&&*extension) {
        return Kind::Video(extension);
    }
    if !SEGMENTS.contains(&&*extension) {
        return Kind::Other;
    }
    if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
        return Kind::Hidden;
    }
    if is_temporary(path) { Kind::Temporary } else { Kind::Segment }
}

/// Returns whether a name is hidden.
pub(crate) fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Returns the extensions of segments, for messages.
pub(crate) fn extensions() -> String {
    SEGMENTS.map(|extension| format!(".{extension}")).join(", ")
}

/// Files left out of a folder, counted by kind, each with an example.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    counts: BTreeMap<Kind, (u64, String)>,
    said: BTreeSet<Kind>,
}

impl LeftOut {
    /// Counts a file that is left out because of its name.
    pub(crate) fn count(&mut self, path: &Path, kind: Kind) {
        if matches!(kind, Kind::Segment | Kind::Other) {
            return;
        }
        let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.counts.entry(kind).or_insert_with(|| (0, name())).0 += 1;
    }

    /// Adds the counts of another listing of the same folder.
    pub(crate) fn add(&mut self, other: Self) {
        for (kind, counted) in other.counts {
            self.counts.entry(kind).or_insert(counted);
        }
    }

    /// Returns one sentence for each kind that was not returned before.
    pub(crate) fn news(&mut self) -> Vec<String> {
        let news = self.counts.iter().filter(|(kind, _)| !self.said.contains(kind));
        let (kinds, lines): (Vec<_>, Vec<_>) =
            news.map(|(kind, (_, name))| (kind.clone(), sentence(kind, name))).unzip();
        self.said.extend(kinds);
        lines
    }

    /// Returns the end of a message about all files left out.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for (kind, (count, name)) in &self.counts {
            let s = if *count == 1 { "" } else { "s" };
            let _ = match kind {
                Kind::Hidden => write!(text, "; {count} hidden file{s} ({name})"),
                Kind::Temporary => write!(text, "; {count} file{s} with a temporary name ({name})"),
                Kind::Video(extension) => write!(
                    text,
                    "; {count} .{extension} file{s}: convert with \
                     `ffmpeg -i FILE.{extension} -c copy -f mpegts FILE.ts`"
                ),
                Kind::Segment | Kind::Other => Ok(()),
            };
        }
        text
    }
}

fn sentence(kind: &Kind, name: &str) -> String {
    match kind {
        Kind::Hidden => format!("hidden files are left out, as {name}"),
        Kind::Temporary => {
            format!("files with a temporary name are left out until they are renamed, as {name}")
        }
        Kind::Video(extension) => format!(
            ".{extension} files are left out, as {name}; only MPEG-TS is read ({})",
            extensions()
        ),
        Kind::Segment | Kind::Other => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_segments_from_other_files() {
        let of = |name: &str| kind_of(Path::new(name));
        for name in ["a.ts", "a.M2T", "tape.tp", "2026-11-28_07.00.ts", "x.m2ts", "tmp.ts"] {
            assert_eq!(of(name), Kind::Segment, "{name}");
        }
        assert_eq!(of(".a.ts"), Kind::Hidden);
        assert_eq!(of("a.tmp.ts"), Kind::Temporary);
        assert_eq!(of("00.10.mp4"), Kind::Video("mp4".into()));
        for name in ["a.m3u8", "a.jpg", "ts", "a.ts.part"] {
            assert_eq!(of(name), Kind::Other, "{name}");
        }
    }

    #[test]
    fn left_out_kind_is_reported_once() {
        let mut left_out = LeftOut::default();
        for name in ["a.mp4", "b.mp4", ".c.ts"] {
            left_out.count(Path::new(name), kind_of(Path::new(name)));
        }
        assert_eq!(left_out.news().len(), 2);
        left_out.count(Path::new("d.mp4"), Kind::Video("mp4".into()));
        assert!(left_out.news().is_empty());
        assert!(left_out.summary().contains("; 3 .mp4 files: convert"), "{}", left_out.summary());
    }
}
