//! Finds segments that were moved or renamed, and updates their paths in the journal's state.

use std::{collections::HashMap, path::Path};

use cht_core::event::Body;

use super::{FrameJournal, file_id::FileId, known::Known};

impl FrameJournal {
    /// Notes that the segment with this key is also at `path`: if it was moved there, the state
    /// names that path, which is then its key. Returns its key.
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

/// Returns the path of a frame's segment, when another segment was found at `path` instead of
/// `key`: some frames were selected before their own segment was done, and it may have moved with
/// the other one's folder.
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
    /// Returns the keys of the done segments, by file.
    pub(crate) fn files(&self) -> HashMap<FileId, String> {
        let done = self.done.iter();
        done.filter_map(|(key, done)| Some((done.checkpoint.file?, key.clone()))).collect()
    }
}
