//! Which file a segment is, however it is called: a link, another spelling of its path, a folder that was moved.

use std::{collections::HashMap, os::unix::fs::MetadataExt as _, path::Path};

use cht_core::event::Body;
use serde::{Deserialize, Serialize};

use super::{FrameJournal, known::Known};

/// A file. When it was written is part of it: the inode of one that was removed goes to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct FileId {
    dev: u64,
    ino: u64,
    bytes: u64,
    /// Nanoseconds since 1970.
    written: i128,
}

impl FileId {
    /// Returns which file is at `path`.
    pub(crate) fn at(path: &str) -> Option<Self> {
        let metadata = Path::new(path).metadata().ok()?;
        let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
        let written = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        Some(Self { dev: metadata.dev(), ino: metadata.ino(), bytes: metadata.len(), written })
    }

    /// Whether two files have the same size and were last written at the same time, as a file and its copy that keeps the times.
    pub(crate) fn is_written_as(&self, other: &Self) -> bool {
        (self.bytes, self.written) == (other.bytes, other.written)
    }
}

impl FrameJournal {
    /// The segment with this key is at `path`, too: if it was moved there, what is known of it names that, which is then its
    /// key. Returns its key.
    pub(crate) fn found_at<'a>(&mut self, key: &'a str, path: &'a str) -> &'a str {
        if key == path || Path::new(key).exists() {
            return key;
        }
        let Known { done, last, before, unsure, others, .. } = &mut self.known;
        if let Some(mut it) = done.remove(key) {
            for event in &mut it.frames {
                if let Body::Frame(frame) = &mut event.body {
                    frame.segment = moved(&frame.segment, key, path);
                }
            }
            path.clone_into(&mut it.checkpoint.path);
            path.clone_into(&mut it.checkpoint.done.path);
            done.insert(path.to_owned(), it);
        }
        let checkpoints = last.iter_mut().chain(before).chain(unsure).chain(others);
        for checkpoint in checkpoints.filter(|checkpoint| checkpoint.path == key) {
            path.clone_into(&mut checkpoint.path);
            path.clone_into(&mut checkpoint.done.path);
        }
        path
    }
}

/// Returns where the segment of a frame is, when another one was found at `path` instead of `key`: some frames were chosen before
/// their own segment was done, and it may have moved with the other one's folder.
fn moved(segment: &str, key: &str, path: &str) -> String {
    if segment == key {
        return path.to_owned();
    }
    let [segment_at, key, path] = [segment, key, path].map(Path::new);
    let is_next_to_it = segment_at.parent() == key.parent();
    let there = path.parent().zip(segment_at.file_name()).map(|(folder, name)| folder.join(name));
    let there = there.filter(|there| is_next_to_it && !segment_at.exists() && there.exists());
    there.and_then(|there| there.to_str().map(str::to_owned)).unwrap_or(segment.to_owned())
}

impl Known {
    /// Returns the keys of the segments that are done by their files.
    pub(crate) fn files(&self) -> HashMap<FileId, String> {
        let done = self.done.iter();
        done.filter_map(|(key, done)| Some((done.checkpoint.file?, key.clone()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_the_same_by_each_of_its_names_and_another_once_written() {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(named("a.ts"), "one").unwrap();
        std::os::unix::fs::symlink(named("a.ts"), named("link.ts")).unwrap();
        std::fs::create_dir(named("d")).unwrap();
        let known = FileId::at(&named("a.ts"));
        assert!(known.is_some());
        assert_eq!(known, FileId::at(&named("link.ts")));
        assert_eq!(known, FileId::at(&named("d/../a.ts")));
        std::fs::copy(named("a.ts"), named("copy.ts")).unwrap();
        let copy = FileId::at(&named("copy.ts"));
        assert_ne!(known, copy);
        let is_as = |other: Option<FileId>| known.unwrap().is_written_as(&other.unwrap());
        assert!(!is_as(copy));
        let time = std::fs::metadata(named("a.ts")).unwrap().modified().unwrap();
        std::fs::File::options()
            .write(true)
            .open(named("copy.ts"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        assert!(is_as(FileId::at(&named("copy.ts"))));
        std::fs::rename(named("a.ts"), named("d/a.ts")).unwrap();
        assert_eq!(known, FileId::at(&named("d/a.ts")));
        assert_eq!(FileId::at(&named("a.ts")), None);
    }
}
