//! What must hold of the record of a session, whoever wrote it.
use std::{fs, sync::LazyLock};

use cht_core::session::{Session, segment_log::SegmentLog};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("stream")).expect("a folder in it");
    folder
});

/// Panics if it does not hold.
pub(crate) fn check(input: &[u8]) {
    let session = Session::open(FOLDER.path()).expect("a session");
    fs::write(session.segment_log(), input).expect("a record");
    let mut record = SegmentLog::of(&session);
    let kept: Vec<_> = record.kept().map(|segment| segment.seq).collect();
    assert!(kept.is_sorted());
    assert!(kept.iter().all(|seq| record.get(*seq).is_some() && !record.is_deleted(*seq)));
    assert!(kept.len() + record.deleted().count() <= input.len() / 2);
    let _ = (record.last(), record.connections(), record.next_sequence(&session));
    record.update(&session);
    assert_eq!(record.kept().map(|segment| segment.seq).collect::<Vec<_>>(), kept);
    assert_eq!(fs::read(session.segment_log()).expect("the record"), input);
}
