//! Cache of scan results, so that an unchanged segment is not read again.
//!
//! A folder of small files, one for each segment that was scanned. The name of an entry is a hash
//! of everything that identifies a file without reading it: inode, size, times of the last write
//! and of the last change to the nanosecond, a few KB at both ends, and the program that scanned
//! it. So an entry is never out of date: a changed file has another name. An entry holds a
//! checksum. One that a kill or a crash has torn is scanned again, and nothing waits for the disk.
//!
//! The device is left out (many file systems have another number after each mount), and so is the
//! path: a segment keeps its entry when its folder is renamed.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, DirBuilder, File, Metadata},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use super::scanned::Scanned;
use crate::{process::clock, storage::durable};

/// Length of each end of a segment that identifies it, in bytes.
const END: u64 = 2048;
/// Largest number of entries in one of the 256 folders: 262,144 in all, which take 1 GiB in blocks
/// of 4 KiB.
const MOST_ENTRIES: usize = 1024;
/// Number of new entries of which one triggers the removal of old ones.
const ROUND: u8 = 64;
/// Size of the largest entry, in bytes: 1024 streams take 200 KB.
const LARGEST: u64 = 1 << 20;
/// Longest distance of two time stamps of a file system that keeps fractions of a second; of any
/// other one, 2 s.
const FINE: Duration = Duration::from_millis(100);
const COARSE: Duration = Duration::from_secs(2);
/// Value of the setting that turns the cache off.
const OFF: &str = "none";

/// Results of scanning segments, on disk; none at all by default.
#[derive(Debug, Default)]
pub struct Cache {
    folder: Option<PathBuf>,
    /// Hashed into each name: another program may find something else.
    program: Vec<u8>,
    scans_again: bool,
}

/// Result of scanning a segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Known {
    Segment(Box<Scanned>),
    NotTransportStream,
}

/// The name of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key(blake3::Hash);

impl Cache {
    /// Returns the cache in `setting`, a folder or `none`; without a setting, in the folder of the
    /// user's caches, if there is one. Nothing is made before there is something to keep.
    #[must_use]
    pub fn new(setting: Option<&OsStr>) -> Self {
        let Some(folder) = folder(setting, |name| std::env::var_os(name)) else {
            return Self::default();
        };
        Self { folder: Some(folder.join("segments")), program: program(), scans_again: false }
    }

    /// Returns the cache that the environment names in `CHT_CACHE`.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::new(std::env::var_os("CHT_CACHE").as_deref())
    }

    /// Scans every segment again, and replaces its entry.
    #[must_use]
    pub fn scanning_again(mut self, is_wanted: bool) -> Self {
        self.scans_again = is_wanted;
        self
    }

    /// Makes the folder, to find out now that it cannot be made.
    pub fn make(&self) -> io::Result<()> {
        self.folder.as_deref().map_or(Ok(()), make)
    }

    /// Returns the name of the entry of an open segment, as it is now.
    pub(super) fn key_of(&self, file: &File) -> Option<Key> {
        self.folder.as_ref()?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.program);
        let it = file.metadata().ok()?;
        let times = [it.mtime(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()];
        for number in [it.ino(), it.len()].into_iter().chain(times.map(|time| time as u64)) {
            hasher.update(&number.to_le_bytes());
        }
        let mut end = [0; END as usize];
        for at in [0, it.len().saturating_sub(END)] {
            let length = usize::try_from(it.len().min(END)).ok()?;
            file.read_exact_at(&mut end[..length], at).ok()?;
            hasher.update(&end[..length]);
        }
        Some(Key(hasher.finalize()))
    }

    /// Returns the results of a segment of `bytes` bytes.
    pub(super) fn get(&self, key: &Key, bytes: u64) -> Option<Known> {
        let path = self.path(key).filter(|_| !self.scans_again)?;
        let entry = durable::read(&path, LARGEST).ok()?;
        let (hash, text) = entry.split_at_checked(blake3::OUT_LEN)?;
        if hash != blake3::hash(text).as_bytes() {
            return None;
        }
        let known = serde_json::from_slice(text).ok()?;
        match &known {
            Known::Segment(scanned) if scanned.bytes() != bytes || !scanned.is_plausible() => None,
            _ => Some(known),
        }
    }

    /// Stores the results of a segment, unless it has changed since `key` was made. Anything not
    /// stored is scanned again by the next run, so a disk that refuses is no error.
    pub(super) fn put(&self, key: &Key, file: &File, known: &Known) {
        let Some(path) = self.path(key).filter(|_| self.key_of(file).as_ref() == Some(key)) else {
            return;
        };
        let Ok(text) = serde_json::to_vec(known) else { return };
        let entry = [&blake3::hash(&text).as_bytes()[..], &text].concat();
        let _ = write(&path, &entry);
        if key.0.as_bytes()[1].is_multiple_of(ROUND) {
            let _ = path.parent().map(|folder| remove_oldest(folder, MOST_ENTRIES));
        }
    }

    fn path(&self, key: &Key) -> Option<PathBuf> {
        let name = key.0.to_hex();
        let (first, rest) = name.split_at(2);
        Some(self.folder.as_ref()?.join(first).join(rest))
    }
}

/// Tells whether a file was last written so long ago that another write would change its time.
pub(super) fn has_rested(file: &File) -> bool {
    let rested = |it: &Metadata| {
        let stamp = if it.mtime_nsec() == 0 { COARSE } else { FINE };
        clock::age_of_change(it) > stamp
    };
    file.metadata().is_ok_and(|metadata| rested(&metadata))
}

/// Returns the folder that a setting names, by the XDG Base Directory Specification if it names
/// none.
fn folder(setting: Option<&OsStr>, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(setting) = setting.filter(|setting| !setting.is_empty()) {
        return (setting != OFF).then(|| PathBuf::from(setting));
    }
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(caches.join("cht"))
}

/// Identifies the running program and its build.
fn program() -> Vec<u8> {
    let file = std::env::current_exe().and_then(fs::metadata);
    let file = file.map(|it| format!("{} {}.{}", it.len(), it.mtime(), it.mtime_nsec()));
    format!("{} {}", env!("CARGO_PKG_VERSION"), file.unwrap_or_default()).into_bytes()
}

/// Makes a folder that is its owner's alone.
fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes a new file, or replaces an unused one. A torn one has another checksum.
fn write(path: &Path, entry: &[u8]) -> io::Result<()> {
    let create = || File::create_new(path);
    let mut file = match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            path.parent().map_or(Ok(()), make)?;
            create()?
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()?
        }
        file => file?,
    };
    let written = file.write_all(entry);
    if written.is_err() {
        // On a full disk each block counts.
        let _ = fs::remove_file(path);
    }
    written
}

/// Removes the oldest files of a folder that has more than `most`.
fn remove_oldest(folder: &Path, most: usize) -> io::Result<()> {
    let mut files: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) {
            files.push((modified, entry.path()));
        }
    }
    files.sort();
    for (_, path) in &files[..files.len().saturating_sub(most)] {
        fs::remove_file(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::segment::Examiner;

    /// A folder with a segment, and a cache in it.
    struct Slot {
        folder: tempfile::TempDir,
    }

    impl Slot {
        fn new(bytes: &[u8]) -> Self {
            let place = Self { folder: tempfile::tempdir().unwrap() };
            fs::write(place.segment(), bytes).unwrap();
            place.age(Duration::from_secs(60));
            place
        }

        fn segment(&self) -> PathBuf {
            self.folder.path().join("a.ts")
        }

        /// Sets the time of the last write; the time of the last change is now.
        fn age(&self, age: Duration) {
            let file = File::options().write(true).open(self.segment()).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 30) + age).unwrap();
        }

        fn cache(&self) -> Cache {
            let folder = Some(self.folder.path().join("cache"));
            Cache { folder, program: b"one".to_vec(), scans_again: false }
        }

        fn key(&self) -> Key {
            self.cache().key_of(&File::open(self.segment()).unwrap()).unwrap()
        }

        fn put(&self) -> Key {
            let (key, file) = (self.key(), File::open(self.segment()).unwrap());
            self.cache().put(&key, &file, &Known::NotTransportStream);
            key
        }
    }

    /// Makes packets of one PID without any time.
    fn packets(count: usize) -> Vec<u8> {
        let mut packet = [0; 188];
        packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
        packet.repeat(count)
    }

    #[test]
    fn unchanged_segment_is_found_and_changed_one_is_not() {
        let place = Slot::new(&packets(50));
        let key = place.put();
        assert_eq!(place.cache().get(&place.key(), 9400), Some(Known::NotTransportStream));
        fs::rename(place.segment(), place.folder.path().join("b.ts")).unwrap();
        fs::rename(place.folder.path().join("b.ts"), place.segment()).unwrap();
        // One byte in the middle changes, and the time of the last write stays the same.
        let file = File::options().write(true).open(place.segment()).unwrap();
        file.write_all_at(b"x", 4700).unwrap();
        place.age(Duration::from_secs(60));
        assert_ne!(place.key(), key, "the time of the last change tells");
        assert_eq!(place.cache().get(&place.key(), 9400), None);
    }

    #[test]
    fn other_program_scans_again() {
        let place = Slot::new(&packets(50));
        let key = place.put();
        let other = Cache { program: b"two".to_vec(), ..place.cache() };
        assert_ne!(other.key_of(&File::open(place.segment()).unwrap()).unwrap(), key);
        assert_eq!(place.cache().scanning_again(true).get(&key, 9400), None);
    }

    #[test]
    fn torn_damaged_or_foreign_entry_is_not_used() {
        let place = Slot::new(&packets(50));
        let key = place.put();
        let (cache, path) = (place.cache(), place.cache().path(&key).unwrap());
        let whole = fs::read(&path).unwrap();
        for entry in [&whole[..whole.len() - 1], &whole[..9], b"", &[0; 99]] {
            fs::write(&path, entry).unwrap();
            assert_eq!(cache.get(&key, 9400), None, "{entry:?}");
        }
        let text = br#"{"segment":{"segment":{},"span":null,"jumps":[]}}"#;
        fs::write(&path, [&blake3::hash(text).as_bytes()[..], text].concat()).unwrap();
        assert_eq!(cache.get(&key, 9400), None, "a segment without fields");
        assert_eq!(place.put(), key, "it is replaced");
        assert_eq!(cache.get(&key, 9400), Some(Known::NotTransportStream));
    }

    #[test]
    fn entry_with_times_of_no_stream_is_not_used() {
        let mut scanned = Scanned {
            segment: super::super::examine_alone(&Slot::new(&packets(50)).segment()).unwrap(),
            span: None,
            jumps: Vec::new(),
        };
        assert!(scanned.is_plausible());
        let span = |length| {
            let text = format!(
                r#"{{"first_pts":0,"first_dts":0,"last_dts":0,"length":{length},"until_jump":0,"frame":0}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        for (length, is_plausible) in [(0, true), (-1, false), (i64::MAX, false)] {
            scanned.span = span(length);
            assert_eq!(scanned.is_plausible(), is_plausible, "{length}");
        }
    }

    #[test]
    fn segment_that_changed_since_its_key_was_made_is_not_kept() {
        let place = Slot::new(&packets(50));
        let (key, file) = (place.key(), File::open(place.segment()).unwrap());
        fs::write(place.segment(), packets(49)).unwrap();
        place.cache().put(&key, &file, &Known::NotTransportStream);
        assert!(!place.folder.path().join("cache").exists());
    }

    #[test]
    fn examiner_reads_a_known_segment_no_more() {
        let place = Slot::new(&packets(50));
        let examine = || Examiner::with_cache(place.cache()).examine(&place.segment()).unwrap();
        let file = File::open(place.segment()).unwrap();
        while !has_rested(&file) {}
        let first = examine();
        let path = place.cache().path(&place.key()).unwrap();
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(examine(), first);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
        let mode = fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn oldest_entries_go_where_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..5_u64 {
            let file = File::create(folder.path().join(n.to_string())).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(100 - n)).unwrap();
        }
        remove_oldest(folder.path(), 2).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["0", "1"]);
    }

    #[test]
    fn setting_comes_before_the_folder_of_the_users_caches() {
        let named = |setting: Option<&str>, variables: &[(&str, &str)]| {
            let variable = |name: &str| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
            };
            folder(setting.map(OsStr::new), variable)
        };
        let home = &[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")];
        assert_eq!(named(Some("x"), home), Some("x".into()));
        assert_eq!(named(Some("none"), home), None);
        assert_eq!(named(None, home), Some("/c/cht".into()));
        assert_eq!(named(Some(""), &home[..1]), Some("/h/.cache/cht".into()));
        assert_eq!(named(None, &[("XDG_CACHE_HOME", "relative")]), None);
    }
}
