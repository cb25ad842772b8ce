//! Finds the files that other programs have open for writing, as far as this user may see them.
//!
//! At a low bitrate a file rests for seconds between two writes: ffmpeg writes 256 KiB at a time.
//! `/proc` tells it from a finished one. A look costs a `stat` for each open file of each process,
//! so it serves many files at once.

use std::{
    collections::HashSet,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

/// Bits of the flags in `/proc/PID/fdinfo/FD` with the access mode, and their value for reading.
const ACCESS: u32 = 0o3;
const READ_ONLY: u32 = 0;

/// Device and inode of a file.
pub(crate) type Id = (u64, u64);

/// Returns the `files` that a process has open for writing.
pub(crate) fn written(files: &HashSet<Id>) -> HashSet<Id> {
    let mut found = HashSet::new();
    if files.is_empty() {
        return found;
    }
    let Ok(processes) = fs::read_dir("/proc") else { return found };
    for process in processes.flatten() {
        let is_process =
            process.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit);
        if is_process {
            // Other users' processes, and those that have just ended, cannot be read.
            let _ = look_at(&process.path(), files, &mut found);
        }
    }
    found
}

fn look_at(process: &Path, files: &HashSet<Id>, found: &mut HashSet<Id>) -> io::Result<()> {
    for entry in fs::read_dir(process.join("fd"))? {
        let entry = entry?;
        let Ok(metadata) = fs::metadata(entry.path()) else { continue };
        let id = (metadata.dev(), metadata.ino());
        if files.contains(&id) && is_writing(&process.join("fdinfo").join(entry.file_name())) {
            found.insert(id);
        }
    }
    Ok(())
}

fn is_writing(info: &Path) -> bool {
    let text = File::open(info).and_then(io::read_to_string).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS != READ_ONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_open_for_writing_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let id = |name: &str| {
            let metadata = folder.path().join(name).metadata().unwrap();
            (metadata.dev(), metadata.ino())
        };
        let writer = File::create(folder.path().join("written")).unwrap();
        fs::write(folder.path().join("closed"), b"x").unwrap();
        fs::write(folder.path().join("read"), b"x").unwrap();
        let _reader = File::open(folder.path().join("read")).unwrap();
        let files = ["written", "closed", "read"].map(id);
        assert_eq!(written(&files.into()), [files[0]].into());
        drop(writer);
        assert!(written(&files.into()).is_empty());
    }
}
