//! Files of a session's own. Its journal may come from elsewhere and name any file, and so may
//! links in its folder.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

use cht_core::event::{Body, Event};

/// The folder of a session.
#[derive(Debug)]
pub(crate) struct Own {
    root: PathBuf,
    /// The same without links.
    real: Option<PathBuf>,
}

impl Own {
    /// Returns the folder at `root`.
    pub(crate) fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), real: root.canonicalize().ok() }
    }

    /// Tells whether a file lies in the folder, by any of its names; of one that is gone, whether
    /// it was to lie there.
    pub(crate) fn holds(&self, file: &Path) -> bool {
        if file.components().any(|part| part == Component::ParentDir) {
            return false;
        }
        match (file.canonicalize(), &self.real) {
            (Ok(file), Some(real)) => file.starts_with(real),
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
                file.starts_with(&self.root) && !file.is_symlink()
            }
            _ => false,
        }
    }

    /// Takes the paths of pictures and pieces of sound out of an event that lead out of the folder.
    pub(crate) fn confine(&self, event: &mut Event) {
        let is_foreign = |path: &mut String| !self.holds(Path::new(path));
        match &mut event.body {
            Body::Frame(frame) => {
                if is_foreign(&mut frame.path) {
                    frame.path.clear();
                }
                frame.thumbnail.take_if(is_foreign);
            }
            Body::Audio(audio) => {
                audio.path.take_if(is_foreign);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn session_holds_its_files_and_none_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("call");
        fs::create_dir_all(root.join("frames")).unwrap();
        fs::write(root.join("frames/1.jpg"), "").unwrap();
        fs::write(folder.path().join("secret"), "").unwrap();
        symlink(folder.path().join("secret"), root.join("frames/2.jpg")).unwrap();
        symlink(folder.path().join("nowhere"), root.join("frames/3.jpg")).unwrap();
        symlink(&root, folder.path().join("link")).unwrap();
        let holds = |path: &str| Own::of(&root).holds(&folder.path().join(path));
        for own in ["call/frames/1.jpg", "call/frames/gone.jpg", "link/frames/1.jpg"] {
            assert!(holds(own), "{own}");
        }
        for foreign in [
            "/etc/passwd",
            "/nowhere",
            "",
            "secret",
            "call/frames/../../secret",
            "call/frames/../frames/1.jpg",
            "call/frames/2.jpg",
            "call/frames/3.jpg",
        ] {
            assert!(!holds(foreign), "{foreign}");
        }
    }
}
