//! Finds other programs: those of cht next to this one, where one installation puts all of them,
//! and any in `PATH`.

use std::{
    env,
    ffi::OsStr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// Returns the path of a program next to this one, or else in `PATH`.
#[must_use]
pub fn installed(name: &str) -> Option<PathBuf> {
    let next_to_us = env::current_exe().ok().and_then(|exe| exe.parent().map(|it| it.join(name)));
    next_to_us.filter(|path| is_program(path)).or_else(|| in_path(name))
}

/// Returns the path of a program in `PATH`.
#[must_use]
pub fn in_path(name: &str) -> Option<PathBuf> {
    in_folders(name, &env::var_os("PATH").unwrap_or_default())
}

/// Returns the path of a program that is named by its path, or without a folder, for `PATH`.
pub(super) fn located(program: &Path) -> Option<PathBuf> {
    match program.to_str().filter(|name| !name.contains('/')) {
        Some(name) => in_path(name),
        None => is_program(program).then(|| program.to_owned()),
    }
}

fn in_folders(name: &str, folders: &OsStr) -> Option<PathBuf> {
    env::split_paths(folders).map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// Returns whether an executable file is at `path`.
fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_is_the_first_executable_file_in_path() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = env::join_paths([first.path(), second.path()]).unwrap();
        std::fs::write(first.path().join("tool"), "").unwrap();
        std::fs::create_dir(second.path().join("tool")).unwrap();
        assert_eq!(in_folders("tool", &path), None, "a plain file, and a folder");
        std::fs::remove_dir(second.path().join("tool")).unwrap();
        let program = second.path().join("tool");
        std::fs::write(&program, "").unwrap();
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        assert_eq!(in_folders("tool", &path), Some(program));
    }
}
