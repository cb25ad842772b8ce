//! Sessions that were moved or copied: present paths of the files that their events name.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::event::{self, Body, Event, Frame, NotUtf8};

/// Returns the device and the inode of the file at `path`, its identity under any name.
#[must_use]
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Tells whether both are one folder, which may have several names.
#[must_use]
pub fn is_same_folder(one: &Path, other: &Path) -> bool {
    one == other || identity(one).is_some_and(|place| identity(other) == Some(place))
}

/// Present folder of a session, for events from before it was moved.
#[derive(Debug)]
pub struct Moved {
    root: String,
    /// The last other name that was seen, and whether it leads elsewhere or nowhere.
    last: Option<(String, bool)>,
}

impl Moved {
    /// Returns the present folder of the session at `root`.
    pub fn to(root: &Path) -> Result<Self, NotUtf8> {
        Ok(Self { root: event::absolute(root)?, last: None })
    }

    /// Returns the present folder of the session whose folder of frames is `frames`; `None` if it
    /// is no session's.
    #[must_use]
    pub fn of_frames(frames: &Path) -> Option<Self> {
        let frames = event::clean(frames).ok()?;
        let root =
            frames.parent().filter(|_| frames.file_name().is_some_and(|it| it == "frames"))?;
        root.join("stream").is_dir().then(|| Self::to(root).ok()).flatten()
    }

    /// Returns the present folder if the session was at `old` before it was moved. A session with
    /// several names keeps the one that it had.
    pub fn present(&mut self, old: &str) -> Option<&str> {
        if old == self.root {
            return None;
        }
        if self.last.as_ref().is_none_or(|(last, _)| last != old) {
            let is_gone = !is_same_folder(Path::new(old), Path::new(&self.root));
            self.last = Some((old.to_owned(), is_gone));
        }
        let is_gone = self.last.as_ref().is_some_and(|(_, is_gone)| *is_gone);
        is_gone.then_some(&self.root)
    }

    /// Replaces the paths of a frame that was made when its session was at `session` by the present
    /// ones.
    pub fn mend(&mut self, session: &mut Option<String>, frame: &mut Frame) {
        let Some(old) = session.as_deref() else { return };
        if self.present(old).is_none() {
            return;
        }
        let paths = [Some(&mut frame.path), frame.thumbnail.as_mut(), Some(&mut frame.segment)];
        for path in paths.into_iter().flatten() {
            if let Some(moved) = within(path, old, &self.root) {
                *path = moved;
            }
        }
        *session = Some(self.root.clone());
    }

    /// Replaces the session and the paths of an event in the same way.
    pub fn mend_event(&mut self, event: &mut Event) {
        let Some(old) = event.session.clone() else { return };
        if self.present(&old).is_none() {
            return;
        }
        match &mut event.body {
            Body::Frame(frame) => return self.mend(&mut event.session, frame),
            Body::Audio(audio) => {
                for path in audio.path.iter_mut().chain([&mut audio.segment]) {
                    if let Some(moved) = within(path, &old, &self.root) {
                        *path = moved;
                    }
                }
            }
            _ => {}
        }
        event.session = Some(self.root.clone());
    }
}

/// Returns where the file at `path` of a session at `old` lies in the session at `root`.
fn within(path: &str, old: &str, root: &str) -> Option<String> {
    let rest = Path::new(path).strip_prefix(old).ok()?;
    let moved: PathBuf = Path::new(root).join(rest);
    moved.to_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_of_a_moved_session_names_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("call");
        for name in ["stream", "frames"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let line = r#"{"v":1,"type":"frame","session":"/old/call","id":"F000001","timestamp":0.0,"pts":0,"path":"/old/call/frames/F000001.jpg","segment":"/old/call/stream/segment_000001.ts","reason":"first","scores":{"scene":0.0},"width":2,"height":2,"bytes":1,"hash":""}"#;
        let Ok(Some(Event { mut session, body: Body::Frame(mut frame) })) =
            Event::parse(line.as_bytes())
        else {
            panic!("a frame");
        };
        let mut moved = Moved::of_frames(&root.join("frames")).unwrap();
        moved.mend(&mut session, &mut frame);
        assert_eq!(session.as_deref(), root.to_str());
        assert_eq!(Path::new(&frame.path), root.join("frames/F000001.jpg"));
        assert_eq!(Path::new(&frame.segment), root.join("stream/segment_000001.ts"));
        // By a link it is where it was.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&root, &link).unwrap();
        let named = session.clone();
        Moved::to(&link).unwrap().mend(&mut session, &mut frame);
        assert_eq!(session, named);
        assert!(Moved::of_frames(&folder.path().join("frames")).is_none());
    }
}
