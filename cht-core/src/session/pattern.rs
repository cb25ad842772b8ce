//! Expands patterns. Unlike in the `glob` crate, `**` enters no folder twice: a symbolic link to a
//! parent folder would give a path for each of the 40 links that the kernel follows, and two of
//! them 2⁴⁰.

use std::{
    collections::{HashSet, VecDeque},
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
};

use glob::{MatchOptions, Pattern};

use super::identity;

/// As in a shell, `*` does not match a leading dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: false,
    require_literal_leading_dot: true,
};

/// Returns the matching paths. A folder of `**` has its path without links, or else the one with
/// the fewest.
pub fn matching(pattern: &str) -> io::Result<Vec<PathBuf>> {
    // Refuses an invalid pattern as a whole.
    compiled(pattern)?;
    let from = if pattern.starts_with('/') { "/" } else { "" };
    let mut found = vec![PathBuf::from(from)];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        found = if component == "**" {
            folders_below(found)?
        } else if component.contains(['*', '?', '[']) {
            let pattern = compiled(component)?;
            let mut matched = Vec::new();
            for folder in found {
                let names = names_in(&folder)?;
                let names = names.iter().filter(|name| is_match(&pattern, name));
                matched.extend(names.map(|name| folder.join(name)));
            }
            matched
        } else {
            let paths = found.into_iter().map(|folder| folder.join(component));
            paths.filter(|path| path.symlink_metadata().is_ok()).collect()
        };
    }
    Ok(found)
}

fn compiled(pattern: &str) -> io::Result<Pattern> {
    Pattern::new(pattern).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Returns these folders and all below them, each once. Links are followed last.
fn folders_below(folders: Vec<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let mut known = HashSet::new();
    let mut waiting: VecDeque<PathBuf> = folders.into();
    let mut links = VecDeque::new();
    let mut found = Vec::new();
    let all = compiled("*")?;
    while let Some(folder) = waiting.pop_front().or_else(|| links.pop_front()) {
        let is_new = folder_of(&folder).is_dir()
            && identity(folder_of(&folder)).is_none_or(|folder| known.insert(folder));
        if is_new {
            let names = names_in(&folder)?;
            let names = names.iter().filter(|name| is_match(&all, name));
            let folders = names.map(|name| folder.join(name)).filter(|path| path.is_dir());
            let (linked, real): (Vec<_>, Vec<_>) = folders.partition(|path| path.is_symlink());
            links.extend(linked);
            waiting.extend(real);
            found.push(folder);
        }
    }
    Ok(found)
}

/// Returns the names in a folder, in order; none if it is not a folder.
fn names_in(folder: &Path) -> io::Result<Vec<OsString>> {
    let folder = folder_of(folder);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let names = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>());
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut names: Vec<OsString> = names.map_err(named)?;
    names.sort_unstable();
    Ok(names)
}

/// Returns the folder of a path: an empty one is the current folder.
fn folder_of(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn is_match(pattern: &Pattern, name: &OsStr) -> bool {
    pattern.matches_with(&name.to_string_lossy(), OPTIONS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns the matches in a folder with these files, relative to it.
    fn matched(folder: &Path, pattern: &str) -> Vec<String> {
        let found = matching(&format!("{}/{pattern}", folder.display())).unwrap();
        let names = found.iter().map(|path| path.strip_prefix(folder).unwrap());
        names.map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    /// Creates a folder with a link and nothing else.
    fn tree_of_link(target: &Path) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        symlink(target, folder.path().join("to")).unwrap();
        folder
    }

    #[test]
    fn pattern_matches_as_in_shell() {
        let tree = tree(&["a/1.ts", "a/b/2.ts", "c/b/3.ts", "c/b/3.txt", ".d/4.ts", "a/.5.ts"]);
        let matched = |pattern: &str| matched(tree.path(), pattern);
        assert_eq!(matched("**/*.ts"), ["a/1.ts", "a/b/2.ts", "c/b/3.ts"]);
        assert_eq!(matched("*/b/*.ts"), ["a/b/2.ts", "c/b/3.ts"]);
        assert_eq!(matched("**/b/[13].t*"), ["c/b/3.ts", "c/b/3.txt"]);
        assert_eq!(matched("a/**/?.ts"), ["a/1.ts", "a/b/2.ts"]);
        assert_eq!(matched("**/b/**/*.ts"), ["a/b/2.ts", "c/b/3.ts"]);
        assert_eq!(matched("a/.*.ts"), ["a/.5.ts"]);
        assert_eq!(matched("a/**"), ["a", "a/b"]);
        assert!(matched("a/1.ts/*").is_empty() && matched("e/*.ts").is_empty());
        assert!(matching("a**/b").is_err() && matching("[").is_err());
    }

    #[test]
    fn link_to_parent_folder_is_not_entered_again() {
        let tree = tree(&["b/1.ts", "b/z/2.ts"]);
        for link in ["b/a", "b/loop", "b/z/up"] {
            symlink("..", tree.path().join(link)).unwrap();
        }
        symlink("gone", tree.path().join("b/dangling.ts")).unwrap();
        assert_eq!(matched(tree.path(), "b/**/*.ts"), ["b/1.ts", "b/dangling.ts", "b/z/2.ts"]);
        symlink("b/z", tree.path().join("a")).unwrap();
        let plain = ["b/1.ts", "b/dangling.ts", "b/z/2.ts"];
        assert_eq!(matched(tree.path(), "**/*.ts"), plain);
        let elsewhere = tree_of_link(tree.path());
        assert_eq!(matched(elsewhere.path(), "**/2.ts"), ["to/b/z/2.ts"]);
    }
}
