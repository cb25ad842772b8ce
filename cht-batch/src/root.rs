//! Folder below which the inputs lie: units name them by their paths in it, which are then the same
//! on every machine, as are keys and results.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cht_core::event;

/// Folder that stands for `/` in the paths of units; without one, these are the paths themselves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Root(Option<PathBuf>);

impl Root {
    /// Names the folder, which has to exist.
    pub(crate) fn open(folder: Option<&Path>) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Self(None)) };
        if !folder.is_dir() {
            bail!("--root {}: no such folder", folder.display());
        }
        Ok(Self(Some(event::clean(folder)?)))
    }

    /// Returns whether there is one.
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Returns where the file lies that a unit names.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        let below = |root: &PathBuf| root.join(name.trim_start_matches('/'));
        self.0.as_ref().map_or_else(|| name.into(), below)
    }

    /// Returns the path by which units name a file; `None` if it lies outside.
    pub(crate) fn name(&self, path: &Path) -> Option<PathBuf> {
        let Some(root) = &self.0 else { return Some(path.to_owned()) };
        path.strip_prefix(root).ok().map(|rest| Path::new("/").join(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_the_root_lead_back_to_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(Some(&folder.path().join("."))).unwrap();
        let file = folder.path().join("camera/1.ts");
        assert_eq!(root.name(&file).unwrap(), Path::new("/camera/1.ts"));
        assert_eq!(root.place("/camera/1.ts"), file);
        assert_eq!(root.name(Path::new("/elsewhere/1.ts")), None);
        let none = Root::default();
        assert_eq!((none.name(&file).unwrap(), none.place("/a/1.ts")), (file, "/a/1.ts".into()));
        assert!(Root::open(Some(&folder.path().join("gone"))).is_err());
    }
}
