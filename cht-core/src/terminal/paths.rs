//! Paths as people read them.

use std::{
    env,
    path::{Path, PathBuf},
};

/// Returns a path from the present folder on, if it is below that.
#[must_use]
pub fn near(path: &Path) -> PathBuf {
    env::current_dir().map_or_else(|_| path.into(), |folder| near_to(path, &folder).into())
}

/// Returns a path from `folder` on, if it is below that. The root is no place of anyone's: paths
/// stay as they are there. Pure.
#[must_use]
pub fn near_to<'a>(path: &'a Path, folder: &Path) -> &'a Path {
    if folder.parent().is_none() {
        return path;
    }
    path.strip_prefix(folder).ok().filter(|below| *below != Path::new("")).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_itself_keeps_its_path() {
        let near = |path| near_to(Path::new(path), Path::new("/srv/cht"));
        assert_eq!(near("/srv/cht/call/stream"), Path::new("call/stream"));
        assert_eq!(near("/srv/cht"), Path::new("/srv/cht"));
        assert_eq!(near("/srv/chta"), Path::new("/srv/chta"));
        assert_eq!(near_to(Path::new("/srv/cht"), Path::new("/")), Path::new("/srv/cht"));
    }
}
