//! Finds parameter sets for decoders that start in the middle of a stream whose encoder sends them
//! once.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use cht_core::{
    session::{self, Session, segment_log::SegmentLog},
    storage::regular,
};
use cht_ts::{Found, ParameterSets, Scanner};

/// Bytes of a file that are searched for its first keyframe.
const SEARCH: u64 = 4 << 20;
/// Size of a read, in bytes.
const READ: usize = 64 << 10;

/// Returns the parameter sets of the video `pid` in the segment at `path` as an elementary stream:
/// those before its first picture, or those that its connection began with. `None` if there are
/// none.
pub(crate) fn before(path: &Path, connection: Option<u32>, pid: u16) -> Option<Arc<[u8]>> {
    let of = |file: io::Result<File>| of_file(file.ok()?, pid);
    let of_connection = || of(regular::open(&tables(path, connection)?));
    of(regular::open(path)).or_else(of_connection).map(Arc::from)
}

/// Returns the file with the tables of a segment's connection.
fn tables(path: &Path, connection: Option<u32>) -> Option<PathBuf> {
    let session = Session::of_segment(path)?;
    let connection = connection.or_else(|| {
        let seq = session::sequence(path)?;
        Some(SegmentLog::since(&session, seq).get(seq)?.connection)
    })?;
    Some(session.tables(connection))
}

/// Returns the parameter sets in a file, up to its first keyframe.
fn of_file(mut file: File, pid: u16) -> Option<Vec<u8>> {
    let (mut scanner, mut buffer) = (Scanner::new(), vec![0; READ]);
    let mut is_there = false;
    while !is_there && scanner.position() < SEARCH {
        let count = file.read(&mut buffer).ok().filter(|count| *count > 0);
        let Some(count) = count else { break };
        scanner.push(&buffer[..count], &mut |found| {
            is_there |= matches!(found, Found::Pes(pes) if pes.pid == pid && pes.random_access);
        });
    }
    scanner.finish(&mut |_| {});
    scanner.parameter_sets(pid).map(ParameterSets::elementary)
}
