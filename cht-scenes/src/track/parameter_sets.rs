//! Finds parameter sets for decoders that start in the middle of a stream whose encoder sends them
//! once.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use cht_core::{
    session::{
        self, Session,
        natural_sort::{compare, series},
        segment_log::SegmentLog,
    },
    storage::regular,
};
use cht_ts::{Codec, Found, Media, ParameterSets, Scanner};

/// Bytes of a file that are searched for its first keyframe.
const SEARCH: u64 = 4 << 20;
/// Size of a read, in bytes.
const READ: usize = 64 << 10;

/// Largest number of files next before a loose one that are searched.
const MOST_BEFORE: usize = 256;

/// Returns the parameter sets of the video `pid` in the segment at `path` as an elementary stream:
/// those before its first picture, those that its connection began with, or those of the files
/// before it in its series. `None` if there are none.
pub(crate) fn before(path: &Path, connection: Option<u32>, pid: u16) -> Option<Arc<[u8]>> {
    let own = scanned(regular::open(path).ok()?, Some(pid));
    let of_connection =
        || sets_in(&scanned(regular::open(&tables(path, connection)?).ok()?, Some(pid)), pid);
    let sets = sets_in(&own, pid).or_else(of_connection);
    sets.or_else(|| of_series(path, pid, own.codec_of(pid)?)).map(Arc::from)
}

/// Tells whether the video of the segment at `path` needs parameter sets, of which there are none.
pub(crate) fn are_missing(path: &Path) -> bool {
    let Ok(file) = regular::open(path) else { return false };
    let own = scanned(file, None);
    let pid = own.video_pid();
    let codec = pid.and_then(|pid| own.codec_of(pid));
    codec.is_some_and(ParameterSets::exist_in)
        && pid.is_some_and(|pid| before(path, None, pid).is_none())
}

/// Returns the parameter sets that came last before a file: ffmpeg's segment muxer cuts a stream
/// into files of which the first one alone may have them.
fn of_series(path: &Path, pid: u16, codec: Codec) -> Option<Vec<u8>> {
    if !ParameterSets::exist_in(codec) {
        return None;
    }
    let is_before = |other: &PathBuf| {
        other.extension() == path.extension()
            && series(other) == series(path)
            && compare(other, path).is_lt()
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let others = entries.filter_map(|entry| Some(path.with_file_name(entry.ok()?.file_name())));
    let mut before: Vec<_> = others.filter(is_before).collect();
    before.sort_by(|a, b| compare(b, a));
    let far = before.len().saturating_sub(1).max(MOST_BEFORE);
    let mut near = before.iter().take(MOST_BEFORE).chain(before.get(far));
    near.find_map(|path| {
        let scanner = scanned(regular::open(path).ok()?, Some(pid));
        scanner.codec_of(pid).filter(|other| *other == codec)?;
        sets_in(&scanner, pid)
    })
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

/// Scans a file up to its first keyframe, of the video `pid` or of any.
fn scanned(mut file: File, pid: Option<u16>) -> Scanner {
    let (mut scanner, mut buffer) = (Scanner::new(), vec![0; READ]);
    let mut is_there = false;
    while !is_there && scanner.position() < SEARCH {
        let count = file.read(&mut buffer).ok().filter(|count| *count > 0);
        let Some(count) = count else { break };
        scanner.push(&buffer[..count], &mut |found| {
            is_there |= matches!(found, Found::Pes(pes)
                if pid.is_none_or(|pid| pes.pid == pid) && pes.random_access && pes.media == Media::Video);
        });
    }
    scanner.finish(&mut |_| {});
    scanner
}

fn sets_in(scanner: &Scanner, pid: u16) -> Option<Vec<u8>> {
    scanner.parameter_sets(pid).map(ParameterSets::elementary)
}
