//! Names of files with segments. Pure.

use std::path::Path;

/// Extensions of MPEG-TS files.
pub const SEGMENTS: [&str; 7] = ["ts", "m2ts", "mts", "mpegts", "m2t", "tp", "trp"];

/// Last parts of a stem that a writer removes when the file is whole: `NAME.tmp.ts`.
const TEMPORARY: [&str; 5] = ["tmp", "temp", "part", "partial", "incomplete"];

/// Tells whether a file has the name of one in the making.
#[must_use]
pub fn is_temporary(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    stem.rsplit_once('.').is_some_and(|(_, last)| TEMPORARY.contains(&last))
}
