//! Adopts one segment that a killed recorder left, or that has come back: gives it its final name
//! and its line in the record.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{Anchor, EndReason, Segment, SegmentClosed, SegmentOpen},
    process::clock,
    segment::examine_alone,
    session::Session,
    storage::{durable, regular},
};
use cht_ts::{
    Pts,
    time::{TICKS_PER_SECOND, ticks},
};
use jiff::Timestamp;

use crate::disk::{is_not_found, named};

/// The segment before the adopted one.
#[derive(Debug, Clone)]
pub(crate) struct Before {
    pub closed: SegmentClosed,
    /// Its connection may continue in the next segment.
    pub may_go_on: bool,
}

/// Gives a segment its final name. Returns its line for the record, or `None` if it is empty.
pub(crate) fn adopt(
    session: &Session,
    seq: u64,
    largest: u64,
    open: Option<&SegmentOpen>,
    before: Option<&Before>,
) -> Result<Option<SegmentClosed>> {
    let path = session.segment(seq);
    let Some(Finished { bytes, blake3, closed_at }) = finish(session, seq, largest)? else {
        return Ok(None);
    };
    let (connection, timeline) = match open {
        Some(open) => (open.connection, open.timeline),
        None => place(session, &path, before),
    };
    let offset = match before {
        Some(Before { closed, .. }) if closed.connection == connection => {
            closed.offset + closed.bytes
        }
        _ => 0,
    };
    Ok(Some(SegmentClosed {
        seq,
        path: path.to_string_lossy().into_owned(),
        connection,
        offset,
        bytes,
        blake3,
        timeline,
        duration: None,
        opened_at: open.map_or(closed_at, |open| open.at),
        closed_at,
        end_reason: EndReason::Recovered,
    }))
}

/// Returns the line of a segment that was missing and is there again. Fails if its bytes differ: it
/// may still be being copied.
pub(crate) fn again(
    session: &Session,
    before: &SegmentClosed,
    largest: u64,
) -> Result<SegmentClosed> {
    let (part, path) = (session.part(before.seq), session.segment(before.seq));
    let file = if is_not_found(&path) { &part } else { &path };
    let (bytes, blake3) = hash(file, largest)?;
    if (bytes, &blake3) != (before.bytes, &before.blake3) {
        bail!("{}: there again, and not what was recorded", file.display());
    }
    if file == &part {
        let opened = regular::open(&part).with_context(named(file))?;
        durable::publish_new(&opened, &part, &path).with_context(named(file))?;
    }
    Ok(SegmentClosed { path: path.to_string_lossy().into_owned(), ..before.clone() })
}

/// A segment with its final name.
struct Finished {
    bytes: u64,
    blake3: String,
    /// Time of the last write.
    closed_at: Timestamp,
}

/// Gives a segment its final name, if it has none. An empty one is removed; returns `None` for it.
fn finish(session: &Session, seq: u64, largest: u64) -> Result<Option<Finished>> {
    let (part, path) = (session.part(seq), session.segment(seq));
    let file = if is_not_found(&path) { &part } else { &path };
    let (bytes, blake3) = hash(file, largest)?;
    let closed_at = clock::modified(file).with_context(named(file))?;
    if bytes == 0 {
        fs::remove_file(file).with_context(named(file))?;
        return Ok(None);
    }
    if file == &part {
        let opened = regular::open(&part).with_context(named(file))?;
        durable::publish_new(&opened, &part, &path).with_context(named(file))?;
    } else {
        // The kill may have come between the rename and the fsync of the folder.
        durable::sync_folder_of(&path).with_context(named(file))?;
    }
    Ok(Some(Finished { bytes, blake3, closed_at }))
}

/// Returns connection and anchor of a segment that `open.json` does not describe: the kill came
/// after its first byte and before that file was written. It belongs to the connection before it if
/// its clock continues where that one ends, unless that connection had ended.
fn place(session: &Session, path: &Path, before: Option<&Before>) -> (u32, Option<Anchor>) {
    let pts = examine(path).and_then(|segment| segment.first_pts);
    let Some(Before { closed, may_go_on }) = before else {
        return (1, pts.map(|pts| Anchor { pts, offset: 0 }));
    };
    let end = end_of(session, closed);
    let line = pts.zip(closed.timeline).map(|(pts, anchor)| anchor.moved_to(Pts::new(pts)));
    let goes_on = |anchor: &Anchor| *may_go_on && (anchor.offset - end).abs() < TICKS_PER_SECOND;
    match line.filter(goes_on) {
        Some(anchor) => (closed.connection, Some(anchor)),
        None => (closed.connection + 1, pts.map(|pts| Anchor { pts, offset: end })),
    }
}

/// Returns the end of a recorded segment on the session's timeline, in ticks.
pub(crate) fn end_of(session: &Session, closed: &SegmentClosed) -> i64 {
    let begin = closed.timeline.map_or(0, |anchor| anchor.offset);
    // The segment itself has what the record lacks. Without the segment, its beginning counts.
    let examined = || examine(&session.segment(closed.seq)).and_then(|segment| segment.duration);
    let length = closed.duration.or_else(examined);
    begin + length.map_or(0, ticks)
}

fn examine(path: &Path) -> Option<Segment> {
    examine_alone(path).ok()
}

/// Returns size and BLAKE3 of a regular file of at most `largest` bytes: the recorder waits for
/// this, and another program may have put anything there.
fn hash(path: &Path, largest: u64) -> Result<(u64, String)> {
    let mut file = regular::open(path).with_context(named(path))?;
    let bytes = file.metadata().with_context(named(path))?.len();
    if bytes > largest {
        bail!(
            "{}: {bytes} bytes are more than a segment has (to adopt it, start with --segment-max-bytes {bytes}B)",
            path.display()
        );
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer).with_context(named(path))? {
            0 => return Ok((hasher.count(), hasher.finalize().to_hex().to_string())),
            count => hasher.update(&buffer[..count]),
        };
    }
}
