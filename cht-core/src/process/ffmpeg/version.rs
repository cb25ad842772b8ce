//! Versions of ffmpeg: what it prints, and what the file of the program holds.

use std::{fs, path::Path};

use memchr::memmem;

use crate::process::programs;

/// Size of the largest file that is searched, in bytes. A larger one holds its libraries too, and
/// starts nearly as fast as it is searched.
const MOST: u64 = 4 << 20;

/// First bytes of a program (ELF). A script that runs another ffmpeg does not name its version.
const MAGIC: &[u8] = b"\x7fELF";

/// Text in the program before its version (`show_banner` in fftools).
const BEFORE: &[u8] = b"%s version ";

/// Returns the version in the output of `ffmpeg -version`.
pub(super) fn printed(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix("ffmpeg version "))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// Returns the version that the file of a program holds, if it has numbers. A name without a folder
/// is searched in `PATH`.
pub(super) fn of_file(program: &Path) -> Option<String> {
    let file = programs::located(program)?;
    if fs::metadata(&file).ok()?.len() > MOST {
        return None;
    }
    held(&fs::read(file).ok()?)
}

fn held(program: &[u8]) -> Option<String> {
    let rest = &program[memmem::find(program, BEFORE)? + BEFORE.len()..];
    let end = rest.iter().position(|byte| !byte.is_ascii_graphic())?;
    let text = str::from_utf8(&rest[..end]).ok()?;
    (program.starts_with(MAGIC) && parse(text) < UNKNOWN).then(|| text.to_owned())
}

/// Version without numbers: a later one than all others.
const UNKNOWN: (u32, u32) = (u32::MAX, 0);

/// Parses the numbers of `5.1.9-0+deb12u1` and `n7.1`; `(u32::MAX, 0)` for `N-112233-gabcdef`.
#[must_use]
pub fn parse(text: &str) -> (u32, u32) {
    let text = text.strip_prefix('n').unwrap_or(text);
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor),
        (Some(Ok(major)), _) => (major, 0),
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::OLDEST, *};

    #[test]
    fn version_is_parsed() {
        assert_eq!(parse("5.1.9-0+deb12u1"), (5, 1));
        assert_eq!(parse("n7.1"), (7, 1));
        assert_eq!(parse("8"), (8, 0));
        assert!(parse("N-112233-gabcdef") > OLDEST);
    }

    #[test]
    fn version_is_the_word_after_the_name() {
        let text = "ffmpeg version n7.1 Copyright (c) the developers\nbuilt with gcc\n";
        assert_eq!(printed(text).as_deref(), Some("n7.1"));
        assert_eq!(printed("mpv 0.35\n"), None);
    }

    #[test]
    fn version_in_a_program_is_one_with_numbers() {
        let of = |text: &str| held(&[MAGIC, b"\0", text.as_bytes(), b"\0%s version 9\0"].concat());
        assert_eq!(of("%s version 5.1.9-0+deb12u1").as_deref(), Some("5.1.9-0+deb12u1"));
        assert_eq!(of("%s version n7.1 Copyright").as_deref(), Some("n7.1"));
        assert_eq!(of("%s version %s"), None, "another program");
        assert_eq!(of("%s version N-112233-gabcdef"), None);
        assert_eq!(held(b"#!/bin/sh\nprintf '%s version 7.1\n' ffmpeg\n"), None, "a script");
        assert_eq!(held(MAGIC), None);
    }

    #[test]
    fn file_and_program_name_the_same_version() {
        let ffmpeg = Path::new("ffmpeg");
        let asked = super::super::Program::version_of(ffmpeg).unwrap();
        assert!(of_file(ffmpeg).is_none_or(|held| held == asked), "{asked}");
    }
}
