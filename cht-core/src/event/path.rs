//! Paths in events: absolute and UTF-8.

use std::{
    io,
    path::{Component, Path, PathBuf},
};

/// A path that cannot stand in an event.
#[derive(Debug, thiserror::Error)]
pub enum NotUtf8 {
    /// JSON holds Unicode only; a lossy copy would name another file.
    #[error("{0:?}: the path is not UTF-8, and events are; rename it")]
    Path(PathBuf),
    /// The current folder is needed for a relative path, and is gone.
    #[error("{0}: cannot be made absolute: {1}")]
    Relative(PathBuf, io::Error),
}

/// Returns `path` as it stands in an event: absolute and without `..`, otherwise not resolved (a
/// symlink keeps its name).
pub fn absolute(path: &Path) -> Result<String, NotUtf8> {
    clean(path)
        .map_err(|error| NotUtf8::Relative(path.to_owned(), error))?
        .into_os_string()
        .into_string()
        .map_err(|path| NotUtf8::Path(path.into()))
}

/// Returns an absolute path to the same file without `.` and `..`.
pub fn clean(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut clean = PathBuf::new();
    for component in path.components() {
        if component != Component::ParentDir {
            clean.push(component);
            continue;
        }
        // The folder above a symlink is the one above its target.
        if clean.is_symlink() {
            let Ok(resolved) = clean.canonicalize() else { return Ok(path) };
            clean = resolved;
        }
        clean.pop();
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_with_folders_above_leads_to_the_same_file_without_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::os::unix::fs::symlink("a/b", root.join("link")).unwrap();
        for (path, expected) in [
            ("a/b/../x.ts", "a/x.ts"),
            ("a/./b/../../x.ts", "x.ts"),
            ("link/../x.ts", "a/x.ts"),
            ("link/x.ts", "link/x.ts"),
            ("not/there/../x.ts", "not/x.ts"),
        ] {
            let path = absolute(&root.join(path)).unwrap();
            assert_eq!(Path::new(&path), root.join(expected));
        }
        assert_eq!(absolute(Path::new("/../../x.ts")).unwrap(), "/x.ts");
    }

    #[test]
    fn path_not_utf8_is_named_in_the_error() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
        let error = absolute(Path::new(OsStr::from_bytes(b"/a/\xff.ts"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""/a/\xFF.ts": the path is not UTF-8, and events are; rename it"#
        );
    }
}
