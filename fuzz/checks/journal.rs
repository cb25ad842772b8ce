//! What must hold of the reader and writer that all journals share.
use std::{fs, io::BufReader, sync::LazyLock};

use cht_core::storage::journal::{Journal, Lines};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// The lines of a journal, without empty ones, and where the last one ends.
fn read(input: &[u8], buffer: usize) -> (Vec<Vec<u8>>, u64) {
    let mut lines = Lines::new(BufReader::with_capacity(buffer, input), 0);
    let (mut all, mut end) = (Vec::new(), 0);
    while let Some(line) = lines.next().expect("memory can be read") {
        assert!(end < line.end && line.end <= input.len() as u64);
        assert!(!line.bytes.contains(&b'\n'));
        end = line.end;
        all.push(line.bytes.to_vec());
    }
    assert_eq!(lines.end(), end);
    (all, end)
}

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    const LINE: &[u8] = b"{\"a\":1}";
    let (before, end) = read(input, 1 << 16);
    assert_eq!(read(input, 3), (before.clone(), end));
    assert!(input.get(end as usize..).is_some_and(|torn| !torn.contains(&b'\n')));
    // Appended lines are read, and so are the earlier ones.
    let path = FOLDER.path().join("journal.ndjson");
    fs::write(&path, input).expect("a journal");
    let mut journal = Journal::open(&path).expect("a journal");
    journal.append_durably(&[LINE, b"\n"].concat()).expect("room");
    let written = fs::read(&path).expect("a journal");
    assert!(written.len() <= input.len() + LINE.len() + 1);
    let (after, end) = read(&written, 1 << 16);
    assert_eq!(end, written.len() as u64);
    assert_eq!(after.last().map(Vec::as_slice), Some(LINE));
    assert_eq!(after[..after.len() - 1], before);
}
