//! Finds sessions, playlists and files below the paths of the command line. It reads folders, and
//! opens no file.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use cht_core::{
    event,
    process::clock,
    session::{Session, identity, names::is_temporary, natural_sort, pattern},
    storage::regular,
};

use super::bad::Bad;
use crate::root::Root;

/// Extensions of videos and segments. Another file counts where the command line names it.
const VIDEOS: [&str; 21] = [
    "ts", "m2ts", "mts", "mpegts", "m2t", "tp", "trp", "mp4", "m4s", "m4v", "mov", "mkv", "webm",
    "flv", "avi", "mpg", "mpeg", "vob", "wmv", "cmfv", "3gp",
];

/// Extension of playlists.
const PLAYLIST: &str = "m3u8";

/// Name of the folder in which runs keep their state.
pub(crate) const STATE: &str = ".cht-batch";

/// Paths found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub sessions: Vec<Session>,
    pub playlists: Vec<PathBuf>,
    pub files: Vec<File>,
    pub bad: Vec<Bad>,
    /// Files that were changed so recently that they may still grow.
    pub young: u64,
}

/// A file, as its folder describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub path: PathBuf,
    pub bytes: u64,
    /// Time of the last write, in nanoseconds since 1970.
    pub modified: i64,
}

/// Searches for recordings.
#[derive(Debug)]
pub(crate) struct Finder<'a> {
    /// Age from which on a file is finished.
    settle: Duration,
    /// Folder of results, which holds no recordings.
    out: Option<(u64, u64)>,
    root: &'a Root,
    known: HashSet<(u64, u64)>,
    found: Found,
}

impl<'a> Finder<'a> {
    pub(crate) fn new(settle: Duration, out: Option<&Path>, root: &'a Root) -> Self {
        let out = out.and_then(identity);
        Self { settle, out, root, known: HashSet::new(), found: Found::default() }
    }

    /// Adds the recordings at and below a path of the command line.
    pub(crate) fn add(&mut self, path: &Path) {
        let path = match event::clean(path) {
            Ok(path) => path,
            Err(error) => return self.fail("unreadable", path, &error),
        };
        if self.root.name(&path).is_none() {
            self.found.bad.push(Bad::outside(&path));
            return;
        }
        match path.metadata() {
            Ok(metadata) if metadata.is_dir() => self.folder(&path),
            Ok(_) => self.file(path, true),
            // From cron and make, no shell expands it.
            Err(_) if has_pattern(&path) => self.pattern(&path),
            Err(error) => self.fail("not_found", &path, &error),
        }
    }

    fn pattern(&mut self, pattern: &Path) {
        let found = match pattern::matching(pattern.to_str().unwrap_or_default()) {
            Ok(found) => found,
            Err(error) => {
                self.found.bad.push(Bad::new("not_found", pattern, error));
                return;
            }
        };
        if found.is_empty() {
            self.found.bad.push(Bad::new("not_found", pattern, "the pattern matches nothing"));
        }
        for path in found {
            if path.is_dir() {
                self.folder(&path);
            } else {
                self.file(path, false);
            }
        }
    }

    /// Returns the findings in natural order.
    pub(crate) fn finish(mut self) -> Found {
        self.found.sessions.sort_by(|a, b| natural_sort::compare(a.root(), b.root()));
        self.found.playlists.sort_by(|a, b| natural_sort::compare(a, b));
        self.found.files.sort_by(|a, b| natural_sort::compare(&a.path, &b.path));
        self.found
    }

    fn fail(&mut self, code: &'static str, path: &Path, error: &io::Error) {
        self.found.bad.push(Bad::of_io(code, path, error));
    }

    fn folder(&mut self, folder: &Path) {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            let place = identity(&folder);
            // A link may lead back, and two arguments to the same folder.
            if place.is_none_or(|place| !self.known.insert(place)) || place == self.out {
                continue;
            }
            if let Some(session) = Session::open(&folder).ok().filter(is_recorded) {
                self.found.sessions.push(session);
                continue;
            }
            match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Ok(entries) => {
                    for entry in entries {
                        self.entry(&entry, &mut folders);
                    }
                }
                Err(error) => self.fail("unreadable", &folder, &error),
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, folders: &mut Vec<PathBuf>) {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            return;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => folders.push(path),
            Ok(kind) if kind.is_symlink() && path.is_dir() => folders.push(path),
            _ => self.file(path, false),
        }
    }

    fn file(&mut self, path: PathBuf, is_named: bool) {
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
        let extension = extension.to_ascii_lowercase();
        if !is_named && extension != PLAYLIST && !VIDEOS.contains(&&*extension) {
            return;
        }
        if !is_named && is_temporary(&path) {
            return;
        }
        let metadata = match path.metadata() {
            Ok(metadata) => metadata,
            Err(error) => return self.fail("unreadable", &path, &error),
        };
        if let Err(error) = regular::check(&metadata) {
            return self.fail("unreadable", &path, &error);
        }
        let place = (metadata.dev(), metadata.ino());
        if !self.known.insert(place) {
            return;
        }
        if extension == PLAYLIST {
            self.found.playlists.push(path);
            return;
        }
        if clock::age_of_change(&metadata) < self.settle {
            self.found.young += 1;
            return;
        }
        self.found.files.push(File::of(path, &metadata));
    }
}

impl File {
    /// Returns the description of a file.
    pub(crate) fn of(path: PathBuf, metadata: &fs::Metadata) -> Self {
        let modified = metadata.mtime().saturating_mul(1_000_000_000);
        let modified = modified.saturating_add(metadata.mtime_nsec());
        Self { path, bytes: metadata.len(), modified }
    }
}

/// Returns whether cht-recv recorded into a session: results have the same folders, and no
/// segments.
fn is_recorded(session: &Session) -> bool {
    session.segment_log().exists() || session.segments().is_ok_and(|segments| !segments.is_empty())
}

/// Returns whether a path of the command line is that of nothing.
pub(crate) fn is_missing(path: &Path) -> bool {
    let found = path.symlink_metadata();
    found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) && !has_pattern(path)
}

fn has_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[']))
}
