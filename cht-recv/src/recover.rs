//! What a killed recorder left behind is adopted: closed, recorded and announced, never a byte thrown away.
//!
//! A kill can fall between any two steps of a segment's life (`docs/recording.md`), so there may be a torn last line in
//! the record, a `.part`, or a segment that has its final name and no line in the record.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    path::Path,
};

use anyhow::{Context as _, Result};
use cht_core::{
    clock, durable,
    event::{
        Anchor, Body, DeleteReason, Deleted, EndReason, Event, Segment, SegmentClosed, SegmentOpen,
    },
    record::{self, Record},
    regular, report,
    segment::Examiner,
    session::{Session, sequence},
    time::{TICKS_PER_SECOND, ticks},
};

use crate::announce::Announcer;

/// Adopts what was left in the other sessions below `sessions`, where no recorder is alive.
pub(crate) fn recover_others(sessions: &Path, ours: &Session, announcer: &Announcer) -> Result<()> {
    let entries = fs::read_dir(sessions).with_context(|| sessions.display().to_string())?;
    for entry in entries {
        let Ok(session) = Session::open(&entry?.path()) else { continue };
        if session == *ours {
            continue;
        }
        // One that is locked has a recorder to care for it.
        if let Ok(_lock) = session.lock() {
            recover(&session, announcer)?;
        }
    }
    Ok(())
}

/// Adopts what was left in `session`, whose lock must be held.
pub(crate) fn recover(session: &Session, announcer: &Announcer) -> Result<()> {
    let path = session.record();
    mend(&path).with_context(|| path.display().to_string())?;
    let open = open_segment(session);
    let known = Record::of(session);
    finish_removals(session, &known, announcer)?;
    let mut last = known.last().cloned();
    for seq in unrecorded(session, &known)? {
        let open = open.as_ref().filter(|open| open.seq == seq);
        if let Some(closed) = adopt(session, seq, open, last.as_ref())? {
            let event = Event::new(Some(session.name().to_owned()), closed.clone());
            record::append(&path, &event.to_line())?;
            report::note(format_args!("{}: recovered, {} bytes", closed.path, closed.bytes));
            announcer.emit(event);
            last = Some(closed);
        }
    }
    match fs::remove_file(session.open_record()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| session.open_record().display().to_string())
        }
        _ => Ok(()),
    }
}

/// Removes the files whose removal is written down, and writes down those that are gone and should not be.
fn finish_removals(session: &Session, known: &Record, announcer: &Announcer) -> Result<()> {
    for seq in known.deleted() {
        let path = session.segment(seq);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => {
                result.with_context(|| path.display().to_string())?;
                report::note(format_args!("{}: its removal was finished", path.display()));
            }
        }
    }
    let gone = known.kept().filter(|closed| !session.segment(closed.seq).exists());
    let gone: Vec<_> = gone
        .map(|closed| {
            let path = session.segment(closed.seq).to_string_lossy().into_owned();
            let (reason, at) = (DeleteReason::Missing, clock::wall());
            let deleted = Deleted { seq: closed.seq, path, bytes: closed.bytes, reason, at };
            Event::new(Some(session.name().to_owned()), deleted)
        })
        .collect();
    if !gone.is_empty() {
        let path = session.record();
        let lines: Vec<u8> = gone.iter().flat_map(Event::to_line).collect();
        record::append(&path, &lines).with_context(|| path.display().to_string())?;
        report::note(format_args!("{}: {} segments are missing", path.display(), gone.len()));
        for event in gone {
            announcer.emit(event);
        }
    }
    Ok(())
}

/// Takes a line that was cut off by the kill off the end of the record.
fn mend(record: &Path) -> io::Result<()> {
    let text = match regular::read(record) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    if whole < text.len() {
        let file = durable::open(record, OpenOptions::new().write(true))?;
        file.set_len(whole as u64)?;
        file.sync_all()?;
    }
    Ok(())
}

/// The numbers of the segments on disk that the record does not know, in order.
fn unrecorded(session: &Session, known: &Record) -> Result<Vec<u64>> {
    let stream = session.stream();
    let mut seqs = Vec::new();
    for entry in fs::read_dir(&stream).with_context(|| stream.display().to_string())? {
        seqs.extend(sequence(Path::new(&entry?.file_name())));
    }
    seqs.retain(|seq| known.get(*seq).is_none() && !known.is_deleted(*seq));
    seqs.sort_unstable();
    seqs.dedup();
    Ok(seqs)
}

/// What the killed recorder said about the segment that it was writing.
fn open_segment(session: &Session) -> Option<SegmentOpen> {
    let line = regular::read(&session.open_record()).ok()?;
    match Event::parse(&line).ok()??.body {
        Body::SegmentOpen(open) => Some(open),
        _ => None,
    }
}

/// Gives a segment its final name; its line for the record. `None` if it holds nothing.
fn adopt(
    session: &Session,
    seq: u64,
    open: Option<&SegmentOpen>,
    last: Option<&SegmentClosed>,
) -> Result<Option<SegmentClosed>> {
    let (part, path) = (session.part(seq), session.segment(seq));
    let file = if path.exists() { &path } else { &part };
    let named = || file.display().to_string();
    let (bytes, blake3) = hash(file).with_context(named)?;
    let closed_at = clock::modified(file).with_context(named)?;
    if bytes == 0 {
        fs::remove_file(file).with_context(named)?;
        return Ok(None);
    }
    if file == &part {
        let opened = regular::open(&part).with_context(named)?;
        durable::publish_new(&opened, &part, &path).with_context(named)?;
    } else {
        // The kill may have come between the rename and the fsync of the folder.
        durable::sync_folder_of(&path).with_context(named)?;
    }
    let (connection, timeline) = match open {
        Some(open) => (open.connection, open.timeline),
        None => place(&path, last),
    };
    let offset = match last {
        Some(last) if last.connection == connection => last.offset + last.bytes,
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

/// Connection and place of a segment about which nothing was written down: the kill came between its first byte
/// and the writing of `open.json`. If its clock goes on where the one before ends, it belongs to it.
fn place(path: &Path, last: Option<&SegmentClosed>) -> (u32, Option<Anchor>) {
    let pts = examine(path).and_then(|segment| segment.first_pts);
    let Some(last) = last else {
        return (1, pts.map(|pts| Anchor { pts, offset: 0 }));
    };
    let end = end_of(last);
    let line = pts.zip(last.timeline).map(|(pts, anchor)| anchor.moved_to(pts));
    match line.filter(|anchor| (anchor.offset - end).abs() < TICKS_PER_SECOND) {
        Some(anchor) => (last.connection, Some(anchor)),
        None => (last.connection + 1, pts.map(|pts| Anchor { pts, offset: end })),
    }
}

/// Where on the session's timeline a recorded segment ends, in ticks.
pub(crate) fn end_of(closed: &SegmentClosed) -> i64 {
    let begin = closed.timeline.map_or(0, |anchor| anchor.offset);
    // What the record does not tell is in the segment; one that has gone counts by its beginning.
    let examined = || examine(closed.path.as_ref()).and_then(|segment| segment.duration);
    let length = closed.duration.or_else(examined);
    begin + length.map_or(0, ticks)
}

fn examine(path: &Path) -> Option<Segment> {
    match Examiner::default().examine(path).ok()?.body {
        Body::Segment(segment) => Some(segment),
        _ => None,
    }
}

/// Size and BLAKE3 of a file.
fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = regular::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hasher.count(), hasher.finalize().to_hex().to_string())),
            count => hasher.update(&buffer[..count]),
        };
    }
}
