//! A session on disk: its folders and the names in them.
//!
//! Each file has one writer (`ARCHITECTURE.md`): `stream/` belongs to cht-recv, `frames/` to
//! cht-scenes, `frames/index.*` to cht-index.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{Timestamp, Zoned};
use rustix::{fs::FlockOperation, io::Errno};

use super::natural_sort;
use crate::{
    event::{self, Body, Event},
    process::clock,
    storage::durable,
};

/// Folders of a session; the last two are created empty for other programs.
const FOLDERS: [&str; 5] = ["stream", "frames", "audio", "transcript", "agent"];

/// Name of the index's journal in its folder.
pub const INDEX_JOURNAL: &str = "index.ndjson";

/// Time after which a look at the lock is over.
const LOOKERS_MOMENT: Duration = Duration::from_millis(5);

/// Number of times that a lock held by another process is tried: a recorder locks other sessions
/// for a moment, to remove segments or to adopt those that were left there.
const TRIES: u32 = 60;

/// Largest number of a segment: files with larger ones belong to other programs.
pub const MAX_SEQUENCE: u64 = 1 << 53;

/// Suffix of a growing segment after its final name.
pub const PART: &str = ".part";

/// Beginning of the name of a session that is being removed.
const REMOVED: &str = ".removed-";

/// Why a session cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The folder, or one in it, cannot be made, opened or listed.
    #[error("{path}: {error}; give a folder that you may write to")]
    Io {
        /// Folder that was tried.
        path: PathBuf,
        /// Error of the system.
        error: io::Error,
    },
    /// A session id that is no plain name.
    #[error("--session-id {0:?}: must be a plain folder name")]
    Id(String),
    /// Another cht-recv records into it.
    #[error("{0}: another cht-recv is recording into this session; choose another --session-id")]
    Busy(PathBuf),
    /// There is nothing of that name.
    #[error("{0}: no such session")]
    Missing(PathBuf),
    /// The folder is there and holds no session.
    #[error("{0}: not a session (it has no stream/ folder)")]
    NotASession(PathBuf),
    /// An event names a place that is no session, and events name no other place to write to.
    #[error(
        "{0}: not a session (it has no stream/ and no frames/ folder); nothing is written there"
    )]
    Foreign(PathBuf),
    /// A folder of the session leads elsewhere.
    #[error(
        "{0}: a symbolic link; nothing is written through it, replace it by the folder that it leads to"
    )]
    Linked(PathBuf),
    /// Events could not name it.
    #[error(transparent)]
    Path(#[from] event::NotUtf8),
}

/// Key of [`Session::recency`].
type Recency = (bool, bool, bool, Option<Timestamp>);

/// The folder of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    root: PathBuf,
    name: String,
}

impl Session {
    /// Makes the folders of a session below `sessions`.
    ///
    /// Without an `id` it is named by the local time `now`, and a clash gets `_2`, `_3` … With one,
    /// a session of that name is continued.
    pub fn create(sessions: &Path, id: Option<&str>, now: &Zoned) -> Result<Self, SessionError> {
        let io = |path: &Path, error| SessionError::Io { path: path.to_owned(), error };
        fs::create_dir_all(sessions).map_err(|error| io(sessions, error))?;
        let root = match id {
            Some(id) if is_plain_name(id) => sessions.join(id),
            Some(id) => return Err(SessionError::Id(id.to_owned())),
            None => {
                let stem = now.strftime("%Y%m%d_%H%M%S").to_string();
                let mut clash = 1;
                loop {
                    let name = if clash == 1 { stem.clone() } else { format!("{stem}_{clash}") };
                    let root = sessions.join(name);
                    match fs::create_dir(&root) {
                        Ok(()) => break root,
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => clash += 1,
                        Err(error) => return Err(io(&root, error)),
                    }
                }
            }
        };
        let filled = Self::fill(&root);
        if filled.is_err() && id.is_none() {
            // The next try gets another name.
            for path in FOLDERS.map(|folder| root.join(folder)).iter().chain([&root]) {
                let _ = fs::remove_dir(path);
            }
        }
        filled
    }

    /// Makes the folders in a session's folder.
    fn fill(root: &Path) -> Result<Self, SessionError> {
        let io = |path: &Path, error| SessionError::Io { path: path.to_owned(), error };
        for folder in FOLDERS {
            let path = root.join(folder);
            let made = fs::create_dir_all(&path);
            // Something else of that name is in the way of another stage, and not of the recorder.
            let in_the_way = folder != FOLDERS[0] && path.symlink_metadata().is_ok();
            made.or_else(|error| if in_the_way { Ok(()) } else { Err(io(&path, error)) })?;
        }
        for path in [&root.join("stream"), root] {
            durable::sync_folder_of(path).map_err(|error| io(path, error))?;
        }
        Self::open(root)
    }

    /// Opens the session in an existing folder.
    pub fn open(root: &Path) -> Result<Self, SessionError> {
        if !root.exists() {
            return Err(SessionError::Missing(root.to_owned()));
        }
        if is_removed(root) || !root.join("stream").is_dir() {
            return Err(SessionError::NotASession(root.to_owned()));
        }
        let name = event::absolute(root)?;
        Ok(Self { root: PathBuf::from(&name), name })
    }

    /// Opens a session, or a result of cht-batch for files, which has findings and no `stream/`.
    pub fn open_findings(root: &Path) -> Result<Self, SessionError> {
        Self::open(root).or_else(|error| {
            let name = event::absolute(root)?;
            let found = Self { root: PathBuf::from(&name), name };
            let has_findings = !is_removed(root) && found.index_journal().is_file();
            if has_findings { Ok(found) } else { Err(error) }
        })
    }

    /// Returns where the frames of the session go that an event names: into a folder that is a
    /// session already, so that an event makes no files elsewhere. The session's folder itself may
    /// be a link.
    pub fn frames_of(name: &str) -> Result<PathBuf, SessionError> {
        Self::folder_of(name, "frames")
    }

    /// Returns where the pieces of sound go, by the same rules.
    pub fn audio_of(name: &str) -> Result<PathBuf, SessionError> {
        Self::folder_of(name, "audio")
    }

    fn folder_of(name: &str, folder: &str) -> Result<PathBuf, SessionError> {
        let root = Path::new(name);
        let folder = Self::folder_in(root, folder)?;
        let is_session = root.is_absolute() && (root.join("stream").is_dir() || folder.is_dir());
        if is_session { Ok(folder) } else { Err(SessionError::Foreign(root.to_owned())) }
    }

    /// Returns where the frames go of the session at `root`, which the command line names.
    pub fn frames_in(root: &Path) -> Result<PathBuf, SessionError> {
        Self::folder_in(root, "frames")
    }

    /// Returns where its pieces of sound go.
    pub fn audio_in(root: &Path) -> Result<PathBuf, SessionError> {
        Self::folder_in(root, "audio")
    }

    /// Returns a folder of a session as a place to write to. A link in a session may lead out of
    /// it: nothing is written through one.
    fn folder_in(root: &Path, folder: &str) -> Result<PathBuf, SessionError> {
        let folder = root.join(folder);
        if folder.is_symlink() { Err(SessionError::Linked(folder)) } else { Ok(folder) }
    }

    /// Returns the session that recorded `segment`, if cht-recv did:
    /// `SESSION/stream/segment_000001.ts`.
    #[must_use]
    pub fn of_segment(segment: &Path) -> Option<Self> {
        let stream = event::clean(segment).ok()?.parent()?.to_owned();
        let ours = stream.file_name()? == "stream" && sequence(segment).is_some();
        let session = Self::open(stream.parent()?).ok()?;
        ours.then_some(session)
    }

    /// Its absolute path, as in the `session` field of events.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns an event of this session.
    #[must_use]
    pub fn event(&self, body: impl Into<Body>) -> Event {
        Event::new(Some(self.name.clone()), body)
    }

    /// Its folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of the segments.
    #[must_use]
    pub fn stream(&self) -> PathBuf {
        self.root.join("stream")
    }

    /// Returns the folder of the pictures and the index.
    #[must_use]
    pub fn frames(&self) -> PathBuf {
        self.root.join("frames")
    }

    /// Returns the path of the index's journal.
    #[must_use]
    pub fn index_journal(&self) -> PathBuf {
        self.frames().join(INDEX_JOURNAL)
    }

    /// Returns the folder where each reader keeps which frames it has acknowledged.
    #[must_use]
    pub fn agent(&self) -> PathBuf {
        self.root.join("agent")
    }

    /// Waits for the lock of what readers have acknowledged, and makes the folder if it is missing.
    /// It is held as long as the returned file is, and by no process that is dead.
    pub fn lock_readers(&self) -> Result<File, SessionError> {
        let path = Self::folder_in(&self.root, "agent")?;
        let lock = || {
            if !path.is_dir() {
                match fs::create_dir(&path) {
                    // By another reader, at the same time.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => made?,
                }
                durable::sync_folder_of(&path)?;
            }
            let folder = File::open(&path)?;
            rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
            Ok(folder)
        };
        lock().map_err(|error| SessionError::Io { path: path.clone(), error })
    }

    /// Returns the folder of the pieces of sound.
    #[must_use]
    pub fn audio(&self) -> PathBuf {
        self.root.join("audio")
    }

    /// Returns the path of the segment log: cht-recv's `segment_closed` event of each segment.
    #[must_use]
    pub fn segment_log(&self) -> PathBuf {
        self.stream().join("segments.ndjson")
    }

    /// Returns the path of the growing segment's `segment_open` event, for a stage that starts in
    /// the middle.
    #[must_use]
    pub fn open_event(&self) -> PathBuf {
        self.stream().join("open.json")
    }

    /// Returns the path of the HLS playlist over the finished segments.
    #[must_use]
    pub fn playlist(&self) -> PathBuf {
        self.stream().join("session.m3u8")
    }

    /// Returns the final path of a segment.
    #[must_use]
    pub fn segment(&self, seq: u64) -> PathBuf {
        self.stream().join(format!("segment_{seq:06}.ts"))
    }

    /// Returns the path of a growing segment.
    #[must_use]
    pub fn part(&self, seq: u64) -> PathBuf {
        durable::with_suffix(&self.segment(seq), PART)
    }

    /// Returns the path of the PAT and PMT of a connection, as transport packets.
    #[must_use]
    pub fn tables(&self, connection: u32) -> PathBuf {
        self.stream().join(format!("psi_{connection:06}.ts"))
    }

    /// Returns the paths of the finished segments, in order.
    pub fn segments(&self) -> io::Result<Vec<PathBuf>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(self.stream())? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "ts") && sequence(&path).is_some() {
                segments.push(path);
            }
        }
        segments.sort_by(|a, b| natural_sort::compare(a, b));
        Ok(segments)
    }

    /// Takes the recorder's lock: held as long as the returned file is, and by no process that is
    /// dead. Waits for another recorder that has it for a moment only.
    pub fn lock(&self) -> Result<File, SessionError> {
        self.lock_within(TRIES)
    }

    /// Takes the recorder's lock unless a recorder has it.
    pub fn try_lock(&self) -> Result<File, SessionError> {
        self.lock_within(1)
    }

    fn lock_within(&self, tries: u32) -> Result<File, SessionError> {
        let stream = self.stream();
        let io = |error| SessionError::Io { path: stream.clone(), error };
        let folder = File::open(&stream).map_err(io)?;
        let mut refused = 0;
        while !granted(&folder, FlockOperation::NonBlockingLockExclusive).map_err(io)? {
            // A looker holds a shared lock for a moment (`is_recording`); a recorder grants none.
            if !granted(&folder, FlockOperation::NonBlockingLockShared).map_err(io)? {
                refused += 1;
            }
            if refused == tries {
                return Err(SessionError::Busy(self.root.clone()));
            }
            clock::rest(LOOKERS_MOMENT);
        }
        Ok(folder)
    }

    /// Takes the session away under its name, at once for every reader. Returns the path at which
    /// its files are left to be removed. The recorder's lock must be held.
    pub fn take_away(&self) -> io::Result<PathBuf> {
        let name = self.root.file_name().unwrap_or_default().to_string_lossy();
        let aside = self.root.with_file_name(format!("{REMOVED}{name}"));
        durable::rename_new(&self.root, &aside)?;
        durable::sync_folder_of(&aside)?;
        Ok(aside)
    }

    /// Tells whether a recorder is alive in this session.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        // A shared lock is granted to any number of lookers at once, and to none next to a
        // recorder.
        File::open(self.stream()).is_ok_and(|folder| {
            rustix::fs::flock(&folder, FlockOperation::NonBlockingLockShared).is_err()
        })
    }

    /// Returns a key that is largest for the session that people mean without naming one: of those
    /// that hold anything the one that is recorded now, or was changed last; or else the one whose
    /// recorder waits for its first sender.
    #[must_use]
    pub fn recency(&self) -> Recency {
        let (is_recording, holds, changed) = self.recency_live();
        (is_recording && holds, holds, is_recording, changed)
    }

    /// Returns the key for those who want to see what comes now: the session of a recorder is the
    /// one that is meant, also while that waits for its first sender.
    #[must_use]
    pub fn recency_live(&self) -> (bool, bool, Option<Timestamp>) {
        let changed =
            clock::modified(&self.stream()).or_else(|_| clock::modified(&self.index_journal()));
        (self.is_recording(), !self.is_empty(), changed.ok())
    }

    /// Tells whether it has neither segments nor findings.
    fn is_empty(&self) -> bool {
        let is_segment = |entry: io::Result<fs::DirEntry>| {
            entry.is_ok_and(|it| it.file_name().as_encoded_bytes().starts_with(b"segment_"))
        };
        let has_segment = fs::read_dir(self.stream()).is_ok_and(|mut all| all.any(is_segment));
        !has_segment && self.index_journal().metadata().map_or(0, |file| file.len()) == 0
    }
}

/// Tells whether `path` is a session that [`Session::take_away`] left to be removed.
#[must_use]
pub fn is_removed(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(REMOVED.as_bytes()))
}

/// Tells whether a lock is granted; an error is one of the file system.
fn granted(folder: &File, lock: FlockOperation) -> io::Result<bool> {
    match rustix::fs::flock(folder, lock) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Returns the number in `segment_000012.ts`, also of a growing segment.
#[must_use]
pub fn sequence(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(PART).unwrap_or(name);
    let digits = name.strip_prefix("segment_")?.strip_suffix(".ts")?;
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?;
    number.filter(|seq| *seq <= MAX_SEQUENCE)
}

fn is_plain_name(id: &str) -> bool {
    !matches!(id, "" | "." | "..") && !id.contains(|c: char| c == '/' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::segment_log::SegmentLog;

    fn now() -> Zoned {
        "2026-11-23T01:02:03[UTC]".parse().unwrap()
    }

    #[test]
    fn session_with_contents_is_newer_than_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name| Session::create(folder.path(), Some(name), &now()).unwrap();
        let (old, new) = (create("old"), create("new"));
        std::fs::write(old.segment(1), "").unwrap();
        // The folder of the empty one was changed last.
        std::fs::write(new.stream().join("segments.ndjson"), "").unwrap();
        assert!(old.recency() > new.recency());
        let _lock = new.lock().unwrap();
        assert!(old.recency() > new.recency(), "its recorder waits for a sender");
        assert!(new.recency_live() > old.recency_live());
        assert!(new.recency() > create("unused").recency());
        std::fs::write(new.part(1), "").unwrap();
        assert!(new.recency() > old.recency(), "it is recorded now");
    }

    #[test]
    fn session_is_named_by_local_time_and_clash_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3)
            .map(|_| Session::create(folder.path(), None, &now()).unwrap())
            .map(|session| session.root().file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["20261123_010203", "20261123_010203_2", "20261123_010203_3"]);
    }

    #[test]
    fn first_readers_lock_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), Some("call"), &now()).unwrap();
        for _ in 0..100 {
            fs::remove_dir(session.agent()).unwrap();
            let start = std::sync::Barrier::new(4);
            let lock = || {
                start.wait();
                session.lock_readers().map(drop)
            };
            std::thread::scope(|scope| {
                let locks = [(); 4].map(|()| scope.spawn(lock));
                for lock in locks {
                    lock.join().unwrap().unwrap();
                }
            });
        }
    }

    #[test]
    fn session_taken_away_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), Some("call"), &now()).unwrap();
        let left = session.take_away().unwrap();
        assert!(is_removed(&left) && left.join("stream").is_dir());
        assert!(matches!(Session::open(session.root()), Err(SessionError::Missing(_))));
        assert!(matches!(Session::open(&left), Err(SessionError::NotASession(_))));
    }

    fn next_sequence(session: &Session) -> u64 {
        SegmentLog::of(session).next_sequence(session).unwrap()
    }

    #[test]
    fn numbers_continue_after_finished_and_growing_segments() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), Some("call"), &now()).unwrap();
        assert_eq!(next_sequence(&session), 1);
        fs::write(session.segment(9), b"").unwrap();
        fs::write(session.part(10), b"").unwrap();
        assert_eq!(next_sequence(&session), 11);
        assert_eq!(session.segments().unwrap(), [session.segment(9)]);
        assert_eq!(Session::of_segment(&session.segment(9)), Some(session));
        assert_eq!(Session::of_segment(Path::new("/tmp/x.ts")), None);
    }

    #[test]
    fn names_with_numbers_beyond_ours_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), Some("call"), &now()).unwrap();
        for number in ["18446744073709551615", "18446744073709551614", "99999999999999999"] {
            fs::write(session.stream().join(format!("segment_{number}.ts")), b"").unwrap();
        }
        assert_eq!(next_sequence(&session), 1);
    }

    #[test]
    fn file_in_place_of_another_stages_folder_keeps_no_session_from_being_made() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("call")).unwrap();
        fs::write(folder.path().join("call/audio"), b"").unwrap();
        assert!(Session::create(folder.path(), Some("call"), &now()).is_ok());
        fs::create_dir(folder.path().join("other")).unwrap();
        fs::write(folder.path().join("other/stream"), b"").unwrap();
        assert!(Session::create(folder.path(), Some("other"), &now()).is_err());
    }

    #[test]
    fn second_recorder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), Some("call"), &now()).unwrap();
        assert!(!session.is_recording());
        let lock = session.lock().unwrap();
        assert!(session.is_recording() && session.is_recording());
        assert!(matches!(session.lock(), Err(SessionError::Busy(_))));
        assert!(matches!(session.try_lock(), Err(SessionError::Busy(_))));
        drop(lock);
        drop(session.try_lock().unwrap());
        assert!(!session.is_recording());
    }

    #[test]
    fn event_names_sessions_and_no_other_place() {
        let folder = tempfile::tempdir().unwrap();
        let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let session = Session::create(folder.path(), Some("call"), &now()).unwrap();
        assert_eq!(Session::frames_of(session.name()).unwrap(), session.frames());
        std::os::unix::fs::symlink(session.root(), name("link")).unwrap();
        assert!(Session::frames_of(&name("link")).is_ok());
        fs::create_dir(name("project")).unwrap();
        fs::write(name("file"), "").unwrap();
        for foreign in ["project", "file", "nowhere", &"x".repeat(300)] {
            assert!(matches!(Session::frames_of(&name(foreign)), Err(SessionError::Foreign(_))));
        }
        assert!(matches!(Session::frames_of("call"), Err(SessionError::Foreign(_))), "relative");
        fs::remove_dir(session.frames()).unwrap();
        std::os::unix::fs::symlink(name("project"), session.frames()).unwrap();
        assert!(matches!(Session::frames_of(session.name()), Err(SessionError::Linked(_))));
        assert!(matches!(Session::frames_in(session.root()), Err(SessionError::Linked(_))));
        assert!(session.lock_readers().is_ok() && Session::audio_in(session.root()).is_ok());
        for folder in [session.agent(), session.audio()] {
            fs::remove_dir(&folder).unwrap();
            std::os::unix::fs::symlink(name("project"), folder).unwrap();
        }
        assert!(matches!(session.lock_readers(), Err(SessionError::Linked(_))));
        assert!(matches!(Session::audio_in(session.root()), Err(SessionError::Linked(_))));
    }

    #[test]
    fn session_id_is_no_path() {
        for id in ["", "..", "a/b", "a\nb", "a\0b"] {
            let made = Session::create(Path::new("/nonexistent"), Some(id), &now());
            assert!(made.is_err(), "{id:?}");
        }
    }
}
