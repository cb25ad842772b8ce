//! The input that a session was made from, noted in the session's folder: whether the same command
//! goes on with the session, begins it again, or would mix two recordings.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    process::{clock, report},
    session::{INDEX_JOURNAL, sequence},
    storage::{durable, regular},
};
use jiff::Timestamp;
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use crate::material::{self, Material, absolute, is_pattern};

/// Name of the note in the folder of a session.
const NOTE: &str = "input.json";

/// Contents of a session that are made anew with the recording.
const MADE: [&str; 6] = ["stream", "frames", "audio", "transcript", "agent", "page"];

/// The input of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Absolute path of a file, or of the folders of segments; or a URL without its query.
    pub inputs: Vec<String>,
    /// Digits by which the query of one URL is told from that of another; empty without a query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Absolute paths of the segments, in order: each has its time by those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub segments: Vec<String>,
    /// Size and time of the last change of a file that is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<Timestamp>,
    /// Whether the session has all of it.
    pub read_to_end: bool,
}

/// Work that the note leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Nothing is there yet, or segments are read where they lie.
    Begin,
    /// A part of the input was recorded: the recording is made anew.
    BeginAgain,
    /// All of the input was recorded, or the same segments were listed: the search for pictures
    /// goes on.
    GoOn,
}

impl Origin {
    /// Returns the origin of a result; `None` if it is a session itself.
    pub(crate) fn of(material: &Material) -> Result<Option<Self>> {
        let plain = |inputs| Self { inputs, ..Self::default() };
        Ok(match material {
            Material::Session(_) => None,
            Material::Segments(paths) => {
                Some(Self { segments: material::segments(paths), ..plain(places(paths)) })
            }
            Material::Foreign { input, .. } => Some(match input.strip_prefix("file:") {
                Some(path) => {
                    let file = Path::new(path);
                    let bytes = file.metadata().with_context(|| path.to_owned())?.len();
                    let modified = clock::modified(file).with_context(|| path.to_owned())?;
                    let origin = plain(vec![absolute(file)]);
                    Self { bytes: Some(bytes), modified: Some(modified), ..origin }
                }
                None => Self { query: Some(mark_of(input)), ..plain(vec![without_secrets(input)]) },
            }),
        })
    }

    /// Returns the note of a session, if it has one.
    pub(crate) fn noted(session: &Path) -> Option<Self> {
        serde_json::from_str(&regular::read_to_string(&session.join(NOTE)).ok()?).ok()
    }

    /// Writes it into the folder of a session. Segments that are noted already stay.
    pub(crate) fn note(&self, session: &Path) -> Result<()> {
        if let Some(noted) = Self::noted(session)
            && noted.segments.len() > self.segments.len()
        {
            return Ok(());
        }
        let text = serde_json::to_string(self)? + "\n";
        let path = session.join(NOTE);
        durable::replace(&path, text.as_bytes()).with_context(|| path.display().to_string())
    }

    /// Returns the work that is left in the folder `session`, or an error that names both inputs
    /// if it is of another one.
    pub(crate) fn work(&self, session: &Path) -> Result<Work> {
        let shown = session.display();
        let is_begun = is_begun(session);
        let Some(noted) = Self::noted(session) else {
            if is_begun {
                bail!(
                    "{shown}: holds a recording already; cht show shows it, cht file {shown} looks \
                     for pictures in the rest of it, and --out names another folder"
                );
            }
            if let Some(results) = ["frames", "audio", "transcript"]
                .map(|name| session.join(name))
                .into_iter()
                .find(|it| fs::read_dir(it).is_ok_and(|mut entries| entries.next().is_some()))
            {
                bail!(
                    "{}: holds results already, and no note tells of which input; --out names \
                     another folder",
                    results.display()
                );
            }
            let is_foreign = |name: &str| !MADE.contains(&name) && !name.starts_with("contact-");
            let entries = fs::read_dir(session).into_iter().flatten().flatten();
            let mut names = entries.map(|it| it.file_name().to_string_lossy().into_owned());
            if let Some(name) = names.find(|name| is_foreign(name)) {
                bail!("{shown}: holds other files, such as {name}; --out names a new folder");
            }
            return Ok(Work::Begin);
        };
        if !self.is_of(&noted) {
            let is_other = if noted.inputs == self.inputs { " with another query" } else { "" };
            bail!(
                "{shown}: was made from {}, and this is {}{is_other}; --out names another folder",
                noted.inputs.join(", "),
                self.inputs.join(", ")
            );
        }
        if let Some((was, is)) = self.differs(&noted) {
            bail!(
                "{shown}: was made from a list in which {was} stands where {is} stands now, so \
                 that frames would get wrong times; name the same segments first, or another \
                 folder by --out"
            );
        }
        if (self.bytes, self.modified) != (noted.bytes, noted.modified) {
            bail!(
                "{shown}: {} has changed since this was made from it; --out names another folder",
                self.inputs.join(", ")
            );
        }
        Ok(match (is_begun, noted.read_to_end) {
            (true, true) => Work::GoOn,
            (true, false) if self.bytes.is_none() => bail!(
                "{shown}: holds a part of {} already, which may not come again; cht file {shown} \
                 looks for pictures in it, and --out names another folder",
                self.inputs.join(", ")
            ),
            (_, false) if self.bytes.is_some() => Work::BeginAgain,
            (_, true) if !self.segments.is_empty() && self.segments == noted.segments => Work::GoOn,
            _ => Work::Begin,
        })
    }

    /// Tells whether it is a recording of a part.
    pub(crate) fn is_cut(&self) -> bool {
        self.bytes.is_some() && !self.read_to_end
    }

    /// Tells whether it is the noted input, or more segments of the noted folders.
    fn is_of(&self, noted: &Self) -> bool {
        let is_in = |path: &String, all: &Self| {
            let folder = Path::new(path).parent().and_then(Path::to_str).unwrap_or_default();
            all.inputs.contains(path) || all.inputs.iter().any(|it| it == folder)
        };
        let is_url = |it: &Self| it.inputs.iter().any(|input| input.contains("://"));
        let are_segments = self.bytes.is_none() && noted.bytes.is_none() && !is_url(noted);
        // A note of an earlier version has no query.
        let is_same = noted.query.is_none() || self.query == noted.query;
        self.inputs == noted.inputs && is_same
            || self.adds_to(noted)
            || are_segments
                && (self.inputs.iter().all(|it| is_in(it, noted))
                    || noted.inputs.iter().all(|it| is_in(it, self)))
    }

    /// Tells whether its segments are the noted ones and others after them.
    fn adds_to(&self, noted: &Self) -> bool {
        !noted.segments.is_empty() && self.segments.starts_with(&noted.segments)
    }

    /// Returns the first noted segment that is not at its place in the list, and the one that is.
    /// One of the lists may be longer.
    fn differs<'a>(&'a self, noted: &'a Self) -> Option<(&'a str, &'a str)> {
        let mut pairs = noted.segments.iter().zip(&self.segments);
        pairs.find(|(was, is)| was != is).map(|(was, is)| (was.as_str(), is.as_str()))
    }
}

/// Tells whether a recorder has written into a session, be it the beginning of one segment.
fn is_begun(session: &Path) -> bool {
    let entries = fs::read_dir(session.join("stream")).into_iter().flatten().flatten();
    let mut segments = entries.filter(|it| sequence(&it.path()).is_some());
    segments.next().is_some()
}

/// Returns the paths in the folder of a session that are made anew.
pub(crate) fn made(session: &str) -> Vec<String> {
    let sheets = ["contact-sheet.jpg", "contact-sheet-1.jpg"];
    MADE.iter().chain(&sheets).map(|name| format!("{session}/{name}")).collect()
}

/// Removes paths; one that is not there is no error.
pub(crate) fn remove(paths: &[String]) -> Result<()> {
    for path in paths {
        let is_folder = Path::new(path).symlink_metadata().is_ok_and(|it| it.is_dir());
        let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| path.clone());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Removes a result in which nothing was recorded, and no picture of other segments was found.
/// Returns whether it was one.
pub(crate) fn discard(session: &str) -> Result<bool> {
    let path = Path::new(session);
    if path.join("frames").join(INDEX_JOURNAL).metadata().is_ok_and(|it| it.len() > 0) {
        return Ok(false);
    }
    let is_empty = !is_begun(path) && Origin::noted(path).is_some();
    if is_empty {
        remove(&made(session))?;
        remove(&[format!("{session}/{NOTE}")])?;
        // Other files may be in it.
        let _ = fs::remove_dir(path);
    }
    Ok(is_empty)
}

/// Takes the lock of a result, for which it waits at most `limit`. The stages inherit it: it is
/// held until the last of them has ended, even if this process is killed.
pub(crate) fn lock(session: &str, limit: Duration) -> Result<OwnedFd> {
    // Not closed on exec.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let folder = open(session, flags, Mode::empty()).with_context(|| session.to_owned())?;
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(folder),
        Err(Errno::WOULDBLOCK) => {
            report::note(format_args!("{session}: waits for the stages of another cht file"));
            let (sender, locked) = channel();
            thread::spawn(move || {
                let locked = flock(&folder, FlockOperation::LockExclusive);
                let _ = sender.send(locked.map(|()| folder));
            });
            match clock::receive_within(&locked, limit) {
                Ok(locked) => locked.with_context(|| session.to_owned()),
                Err(_) => bail!(
                    "{session}: another cht file works on it; wait for its end, or give another \
                     --out"
                ),
            }
        }
        Err(error) => Err(error).with_context(|| session.to_owned()),
    }
}

/// Returns a single file, or the folders of several inputs.
fn places(paths: &[String]) -> Vec<String> {
    if let [path] = paths
        && Path::new(path).is_file()
    {
        return vec![absolute(Path::new(path))];
    }
    let folder = |path: &String| {
        let path = Path::new(path);
        if path.is_dir() {
            return absolute(path);
        }
        let parts = path.parent().unwrap_or(path).components();
        let plain =
            |part: &std::path::Component<'_>| !part.as_os_str().to_str().is_some_and(is_pattern);
        let folder: PathBuf = parts.take_while(plain).collect();
        absolute(if folder.as_os_str().is_empty() { Path::new(".") } else { &folder })
    };
    let mut folders: Vec<_> = paths.iter().map(folder).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// Returns digits of the query of a URL, too few to tell a secret; none without a query.
fn mark_of(url: &str) -> String {
    let query = url.split_once(['?', '#']).map(|(_, query)| query);
    query.map(|it| blake3::hash(it.as_bytes()).to_hex()[..4].to_owned()).unwrap_or_default()
}

/// Returns a URL without user, password and query.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/{path}")
}

#[cfg(test)]
mod tests {
    use cht_core::session::Session;

    use super::*;

    fn recorded(folder: &Path) -> Session {
        let session = Session::create(folder, Some("s"), &clock::local()).unwrap();
        fs::write(session.segment(1), [0x47; 188]).unwrap();
        session
    }

    fn file(path: &str) -> Origin {
        let modified = Some(Timestamp::UNIX_EPOCH);
        Origin { inputs: vec![path.into()], bytes: Some(7), modified, ..Origin::default() }
    }

    #[test]
    fn same_file_goes_on_or_begins_again_and_another_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let session = recorded(folder.path());
        let origin = file("/a/talk.mkv");
        let error = origin.work(session.root()).unwrap_err().to_string();
        assert!(error.contains("holds a recording already"), "{error}");
        origin.note(session.root()).unwrap();
        assert_eq!(origin.work(session.root()).unwrap(), Work::BeginAgain);
        Origin { read_to_end: true, ..origin.clone() }.note(session.root()).unwrap();
        assert_eq!(origin.work(session.root()).unwrap(), Work::GoOn);
        let error = file("/b/talk.mkv").work(session.root()).unwrap_err().to_string();
        assert!(error.contains("/a/talk.mkv, and this is /b/talk.mkv;"), "{error}");
        let changed = Origin { bytes: Some(8), ..origin };
        assert!(changed.work(session.root()).unwrap_err().to_string().contains("has changed"));
    }

    #[test]
    fn part_of_a_url_is_not_removed() {
        let folder = tempfile::tempdir().unwrap();
        let session = recorded(folder.path());
        let origin = Origin { bytes: None, modified: None, ..file("rtsp://camera/") };
        origin.note(session.root()).unwrap();
        assert!(origin.work(session.root()).is_err());
        assert_eq!(without_secrets("rtsp://me:word@camera/a?key=1"), "rtsp://camera/a");
    }

    #[test]
    fn segments_of_the_same_folder_go_on() {
        let segments = |inputs: &[&str]| Origin {
            inputs: inputs.iter().map(|&it| it.to_owned()).collect(),
            ..Origin::default()
        };
        assert!(segments(&["/cam"]).is_of(&segments(&["/cam/1.ts"])), "more");
        assert!(segments(&["/cam/1.ts"]).is_of(&segments(&["/cam"])), "again");
        assert!(!segments(&["/b/1.ts"]).is_of(&segments(&["/a/1.ts"])));
        assert!(!segments(&["/a/1.m2ts"]).is_of(&segments(&["/a/1.ts"])));
        assert!(!file("/a/1.mp4").is_of(&segments(&["/a"])));
    }

    #[test]
    fn list_of_segments_may_only_grow_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let list = |names: &[&str]| Origin {
            inputs: vec!["/cam".into()],
            segments: names.iter().map(|name| format!("/cam/{name}.ts")).collect(),
            read_to_end: true,
            ..Origin::default()
        };
        let work = |names: &[&str]| list(names).work(folder.path());
        list(&["2", "3"]).note(folder.path()).unwrap();
        assert_eq!(work(&["2", "3"]).unwrap(), Work::GoOn);
        for right in [&["2", "3", "4"][..], &["2"]] {
            assert_eq!(work(right).unwrap(), Work::Begin, "{right:?}");
        }
        for wrong in [&["1", "2", "3"][..], &["3", "4"]] {
            let refused = work(wrong).unwrap_err().to_string();
            assert!(refused.contains("in which /cam/2.ts stands where "), "{refused}");
        }
        // A part of the list leaves the note as it is.
        list(&["2"]).note(folder.path()).unwrap();
        assert_eq!(Origin::noted(folder.path()).unwrap(), list(&["2", "3"]));
    }

    #[test]
    fn results_of_unknown_inputs_are_not_mixed_with_others() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("frames")).unwrap();
        assert_eq!(file("/a").work(folder.path()).unwrap(), Work::Begin);
        fs::write(folder.path().join("frames/F000001.jpg"), "").unwrap();
        let refused = file("/a").work(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("/frames: holds results already"), "{refused}");
    }

    #[test]
    fn query_tells_urls_apart() {
        let of = |input: &str| {
            let (input, name) = (input.to_owned(), "watch".to_owned());
            Origin::of(&Material::Foreign { input, name }).unwrap().unwrap()
        };
        let noted = of("https://host/watch?v=1&key=secret");
        assert!(!serde_json::to_string(&noted).unwrap().contains("secret"));
        assert!(noted.is_of(&noted) && !of("https://host/watch?v=2").is_of(&noted));
        assert!(!of("https://host/b").is_of(&of("https://host/")), "no folder of segments");
    }

    #[test]
    fn folder_with_other_files_is_no_result() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(file("/a").work(folder.path()).unwrap(), Work::Begin);
        fs::write(folder.path().join("thesis.odt"), "").unwrap();
        assert!(file("/a").work(folder.path()).unwrap_err().to_string().contains("thesis.odt"));
    }

    #[test]
    fn only_a_result_without_anything_is_discarded() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), Some("s"), &clock::local()).unwrap();
        file("/a/1.ts").note(session.root()).unwrap();
        fs::write(session.index_journal(), "{}\n").unwrap();
        discard(session.name()).unwrap();
        assert!(session.index_journal().exists(), "pictures of segments elsewhere");
        fs::remove_file(session.index_journal()).unwrap();
        fs::write(session.part(1), [0x47; 188]).unwrap();
        discard(session.name()).unwrap();
        assert!(session.part(1).exists(), "a recording");
        fs::remove_file(session.part(1)).unwrap();
        discard(session.name()).unwrap();
        assert!(!session.root().exists());
    }

    #[test]
    fn lock_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let held = lock(path, Duration::ZERO).unwrap();
        let refused = lock(path, Duration::ZERO).unwrap_err().to_string();
        assert!(refused.contains("another cht file"), "{refused}");
        drop(held);
    }
}
