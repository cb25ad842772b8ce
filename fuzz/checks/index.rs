//! Properties of an index: a journal up to the first byte 0xff, then the `index.json` next to it.
use std::{fs, sync::LazyLock};

use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == 0xff).unwrap_or(input.len());
    let (journal, json) = (&input[..end], input.get(end + 1..));
    let path = FOLDER.path().join("index.json");
    let _ = fs::remove_file(&path);
    fs::write(path.with_extension("ndjson"), journal).expect("a journal");
    if let Some(json) = json {
        fs::write(&path, json).expect("an index");
    }
    let opened = cht_index::fuzzing::index(&path);
    let names: Vec<_> = fs::read_dir(FOLDER.path()).expect("a folder").flatten().collect();
    // With edits that were no JSON, of which few are kept.
    assert!(names.len() <= 2 + 9, "{names:?}");
    if opened.is_err() {
        // A file that is none of ours is left as it was.
        assert!(json.is_none_or(|json| fs::read(&path).is_ok_and(|now| now == json)));
        return;
    }
    let first = fs::read(&path).expect("an index");
    let size = fs::metadata(path.with_extension("ndjson")).expect("a journal").len();
    assert!(size <= 4 * input.len() as u64 + 200, "{size}");
    // Again: nothing is new.
    cht_index::fuzzing::index(&path).expect("an index of ours");
    assert_eq!(fs::read(&path).expect("an index"), first);
    assert_eq!(fs::metadata(path.with_extension("ndjson")).expect("a journal").len(), size);
}
