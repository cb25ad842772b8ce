//! Paths in events: absolute and UTF-8.

use std::path::{Path, PathBuf};

/// A path that cannot stand in an event.
#[derive(Debug, thiserror::Error)]
pub enum NotUtf8 {
    /// JSON holds Unicode only; a lossy copy would name another file.
    #[error("{0:?}: the path is not UTF-8, and events are; rename it")]
    Path(PathBuf),
    /// The current folder is needed for a relative path, and is gone.
    #[error("{0}: cannot be made absolute: {1}")]
    Relative(PathBuf, std::io::Error),
}

/// `path` as it stands in an event: absolute, not resolved (a symlink keeps its name).
pub fn absolute(path: &Path) -> Result<String, NotUtf8> {
    std::path::absolute(path)
        .map_err(|error| NotUtf8::Relative(path.to_owned(), error))?
        .into_os_string()
        .into_string()
        .map_err(|path| NotUtf8::Path(path.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_utf8_is_named_in_the_error() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
        let error = absolute(Path::new(OsStr::from_bytes(b"/a/\xff.ts"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""/a/\xFF.ts": the path is not UTF-8, and events are; rename it"#
        );
    }
}
