//! Removes the folders of sessions, and knows the size of the files in them.
//!
//! A session is taken away by one rename, and its files are removed then. So no reader sees half of
//! it, and a kill leaves a folder that is no session, which the next recorder removes.

use std::{
    fs, io,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use cht_core::{
    process::clock,
    session::{Session, is_removed, sequence},
    storage::durable,
};

/// Shortest time between two looks at the sizes of the files in a session.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Longest time, for a session that does not change any more.
const LOOK_AT_LAST: Duration = Duration::from_secs(3600);

/// Part of the time that looking takes at most: files by the hundred thousand are looked at
/// seldom.
const PART: u32 = 100;

/// Bytes of a session without its segments: pictures, sound, index, logs and whatever else is in
/// it.
#[derive(Debug, Default)]
pub(super) struct Rest {
    bytes: u64,
    /// Times of the folders' last changes, when they were looked at.
    changed: Vec<Option<SystemTime>>,
    looked: Option<Instant>,
    /// Time from that to the next look.
    wait: Duration,
}

impl Rest {
    /// Returns the bytes, which may be those of some time ago.
    pub(super) fn update(&mut self, session: &Session, now: Instant) -> u64 {
        if self.looked.is_some_and(|looked| now < looked + self.wait) {
            return self.bytes;
        }
        let folders = ["", "stream", "frames", "audio", "transcript", "agent", "page"];
        let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
        let changed = folders.map(|folder| modified(&session.root().join(folder))).to_vec();
        self.wait = if self.looked.is_some() && changed == self.changed {
            (self.wait * 2).min(LOOK_AT_LAST)
        } else {
            self.bytes = bytes_in(session.root());
            (clock::monotonic().saturating_duration_since(now) * PART).max(LOOK_AGAIN)
        };
        (self.changed, self.looked) = (changed, Some(now));
        self.bytes
    }
}

/// Returns the bytes of the files in a folder that are no segments.
fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_in(&entry.path()),
        Ok(metadata) if sequence(&entry.path()).is_none() => metadata.len(),
        _ => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Returns whether a session may be removed as a whole: one that is a link leads to another place.
pub(super) fn is_removable(session: &Session) -> bool {
    !session.root().is_symlink()
}

/// Removes the files that a session taken away has left.
pub(super) fn remove_left(left: &Path) -> io::Result<()> {
    fs::remove_dir_all(left)
}

/// Finishes the removal of sessions that a kill interrupted. What cannot be removed stays.
pub(super) fn finish_removals(sessions: &Path) {
    let entries = fs::read_dir(sessions).into_iter().flatten().flatten();
    for left in entries.map(|entry| entry.path()).filter(|path| is_removed(path)) {
        let _ = remove_left(&left);
    }
}

/// Removes the folder of a session that got no byte, unless a program has put anything into it. Its
/// lock must be held. What cannot be removed stays.
pub(crate) fn discard_unused(session: &Session) -> bool {
    is_unused(session).is_ok_and(|is_unused| is_unused && discard(session).is_ok())
}

/// Returns whether the folders of a session are empty, but for files that belong to the segments
/// and name none.
fn is_unused(session: &Session) -> io::Result<bool> {
    let stream = session.stream();
    for entry in fs::read_dir(session.root())? {
        let path = entry?.path();
        if path != stream && fs::read_dir(path)?.next().is_some() {
            return Ok(false);
        }
    }
    let (log, playlist) = (session.segment_log(), session.playlist());
    for entry in fs::read_dir(stream)? {
        let entry = entry?;
        let is_empty = || entry.metadata().is_ok_and(|metadata| metadata.len() == 0);
        let path = entry.path();
        if path != playlist && !(path == log && is_empty()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn discard(session: &Session) -> io::Result<()> {
    for file in [session.segment_log(), session.playlist()] {
        durable::remove(&file)?;
    }
    for entry in fs::read_dir(session.root())? {
        fs::remove_dir(entry?.path())?;
    }
    fs::remove_dir(session.root())
}
