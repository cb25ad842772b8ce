//! What must hold of cht-scenes when it finds this journal in its folder.
use std::{fs, sync::LazyLock};

use tempfile::TempDir;

/// A folder in another one: what lies beside it is not to be touched.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("frames")).expect("a folder in it");
    fs::write(folder.path().join("precious"), "precious").expect("a file beside it");
    folder
});

/// The first line of a journal: the options.
static OPTIONS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    cht_scenes::fuzzing::journal(folder.path());
    fs::read(folder.path().join("scenes.ndjson")).expect("a new journal")
});

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    let folder = FOLDER.path().join("frames");
    let path = folder.join("scenes.ndjson");
    fs::write(&path, [&OPTIONS, input].concat()).expect("a journal");
    cht_scenes::fuzzing::journal(&folder);
    let first = fs::read(&path).expect("the journal");
    assert!(first.len() <= input.len() + 1024);
    cht_scenes::fuzzing::journal(&folder);
    assert_eq!(fs::read(&path).expect("the journal"), first);
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1);
    let beside = fs::read_dir(FOLDER.path()).expect("a folder").count();
    assert!(
        beside == 2 && fs::read(FOLDER.path().join("precious")).is_ok_and(|now| now == b"precious")
    );
}
