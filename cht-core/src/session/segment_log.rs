//! cht-recv's log of a session: the segments that it closed, and those removed since.
//!
//! One line for each closed segment (`segment_closed`) and one for each removed segment
//! (`deleted`), only ever appended. A removal is logged before the file goes, so a file whose
//! removal is logged counts as gone. A segment that was only found missing returns with another
//! `segment_closed`.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufReader, Seek as _, SeekFrom},
    ops::Range,
    path::Path,
};

use cht_ts::time::TICKS_PER_SECOND;
use jiff::Timestamp;

use super::{MAX_SEQUENCE, Session, sequence};
use crate::{
    event::{self, Anchor, Body, DeleteReason, Event, SegmentClosed, SegmentOpen},
    process::report,
    storage::{
        journal::{Journal, Lines},
        regular,
    },
};

/// Largest credible size or offset in bytes, and time in ticks: sums of them cannot overflow.
const MAX_NUMBER: u64 = 1 << 53;

/// Length of the end of a log that is read at first, in bytes: about a hundred segments.
const TAIL: u64 = 64 << 10;

/// Contents of the segment log of a session.
#[derive(Debug, Default)]
pub struct SegmentLog {
    kept: BTreeMap<u64, SegmentClosed>,
    deleted: BTreeSet<u64>,
    /// Deleted segments that were not removed by cht-recv but not found.
    missing: BTreeMap<u64, SegmentClosed>,
    last: Option<SegmentClosed>,
    connections: u32,
    /// The number of the first segment that was read.
    first: Option<u64>,
    /// Bytes read, to the end of a whole line.
    read: u64,
    /// The error of reading it was reported.
    unreadable: bool,
}

impl SegmentLog {
    /// Returns whether `session` has a log with anything in it.
    #[must_use]
    pub fn is_begun(session: &Session) -> bool {
        std::fs::metadata(session.segment_log()).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Reads the log of `session`. A log or line that cannot be read counts as absent.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let mut log = Self::default();
        log.update(session);
        log
    }

    /// Reads the log of `session`. A missing log is empty; one that cannot be read is an error.
    pub fn read(session: &Session) -> io::Result<Self> {
        let mut log = Self::default();
        log.read_on(session, |_| ())?;
        Ok(log)
    }

    /// Reads the end of the log of `session`: all segments closed after `seq`, and perhaps some
    /// before it. The cost grows with their number.
    #[must_use]
    pub fn after(session: &Session, seq: u64) -> Self {
        let length = std::fs::metadata(session.segment_log()).map_or(0, |metadata| metadata.len());
        let mut tail = TAIL;
        loop {
            let mut log = Self { read: length.saturating_sub(tail), ..Self::default() };
            let is_whole = log.read == 0;
            log.update(session);
            if is_whole || log.first.is_some_and(|first| first <= seq) {
                return log;
            }
            tail = tail.saturating_mul(4);
        }
    }

    /// Reads the end of the log of `session`: segment `seq` and those closed after it.
    #[must_use]
    pub fn since(session: &Session, seq: u64) -> Self {
        Self::after(session, seq.saturating_sub(1))
    }

    /// Reads the lines appended since. Returns whether there were any.
    pub fn update(&mut self, session: &Session) -> bool {
        self.read_what_can_be(session, |_| ())
    }

    /// Reads the lines appended since, and returns the numbers of the closed segments, in their
    /// order. One of them may have been removed since.
    pub fn closed_since(&mut self, session: &Session) -> Vec<u64> {
        let mut closed = Vec::new();
        self.read_what_can_be(session, |seq| closed.push(seq));
        closed
    }

    fn read_what_can_be(&mut self, session: &Session, each: impl FnMut(u64)) -> bool {
        let before = self.read;
        // Lines before an error count.
        if let Err(error) = self.read_on(session, each)
            && !std::mem::replace(&mut self.unreadable, true)
        {
            report::warn(format_args!(
                "{}: {error}; nothing is known of the segments in it",
                session.segment_log().display()
            ));
        }
        self.read > before
    }

    /// Reads on, and gives `each` the number of each segment that was closed.
    fn read_on(&mut self, session: &Session, mut each: impl FnMut(u64)) -> io::Result<()> {
        let mut file = match regular::open(&session.segment_log()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            result => result?,
        };
        if file.metadata()?.len() < self.read {
            // Another file of this name.
            *self = Self::default();
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut lines = Lines::new(BufReader::new(file), self.read);
        while let Some(line) = lines.next()? {
            self.read = line.end;
            match Event::parse(line.bytes) {
                Ok(Some(Event { body: Body::SegmentClosed(mut closed), .. }))
                    if is_plausible(&closed) =>
                {
                    each(closed.seq);
                    // The session may have been moved since, or be called by another name.
                    if let Ok(path) = event::absolute(&session.segment(closed.seq)) {
                        closed.path = path;
                    }
                    self.close(closed);
                }
                Ok(Some(Event { body: Body::Deleted(deleted), .. })) => {
                    self.delete(deleted.seq, deleted.reason);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn close(&mut self, closed: SegmentClosed) {
        self.connections = self.connections.max(closed.connection);
        self.first.get_or_insert(closed.seq);
        if self.last.as_ref().is_none_or(|last| last.seq < closed.seq) {
            self.last = Some(closed.clone());
        }
        if self.missing.remove(&closed.seq).is_some() {
            self.deleted.remove(&closed.seq);
        }
        if !self.deleted.contains(&closed.seq) {
            self.kept.insert(closed.seq, closed);
        }
    }

    fn delete(&mut self, seq: u64, reason: DeleteReason) {
        self.deleted.insert(seq);
        match self.kept.remove(&seq) {
            Some(closed) if reason == DeleteReason::Missing => {
                self.missing.insert(seq, closed);
            }
            _ if reason == DeleteReason::Missing => {}
            _ => {
                self.missing.remove(&seq);
            }
        }
    }

    /// Returns the segments that were closed and not removed, in order.
    #[must_use]
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &SegmentClosed> {
        self.kept.values()
    }

    /// Returns the segment `seq`, unless it was removed.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&SegmentClosed> {
        self.kept.get(&seq)
    }

    /// Returns the numbers in `range` of the segments that were closed, removed or not, in order.
    #[must_use]
    pub fn closed_in(&self, range: Range<u64>) -> Vec<u64> {
        let mut closed: Vec<u64> = self.kept.range(range.clone()).map(|(seq, _)| *seq).collect();
        closed.extend(self.deleted.range(range));
        closed.sort_unstable();
        closed
    }

    /// Returns the numbers of the removed segments, in order.
    pub fn deleted(&self) -> impl Iterator<Item = u64> {
        self.deleted.iter().copied()
    }

    /// Returns the last line about the segment `seq`, if that was found missing and cht-recv did
    /// not remove it.
    #[must_use]
    pub fn missing(&self, seq: u64) -> Option<&SegmentClosed> {
        self.missing.get(&seq)
    }

    /// Tells whether the segment `seq` was removed.
    #[must_use]
    pub fn is_deleted(&self, seq: u64) -> bool {
        self.deleted.contains(&seq)
    }

    /// Returns the segment that was closed last, even if it was removed since.
    #[must_use]
    pub fn last(&self) -> Option<&SegmentClosed> {
        self.last.as_ref()
    }

    /// Returns the number that the next segment of `session`, whose log this is, gets: one above
    /// every segment there, finished or not, and above those that were removed.
    pub fn next_sequence(&self, session: &Session) -> io::Result<u64> {
        let mut last = self.last().map_or(0, |last| last.seq);
        for entry in std::fs::read_dir(session.stream())? {
            last = last.max(sequence(Path::new(&entry?.file_name())).unwrap_or(0));
        }
        Ok(last + 1)
    }

    /// Returns the number of the last connection.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }
}

/// Returns the wall clock of the first byte of a session.
#[must_use]
pub fn started_at(session: &Session) -> Option<Timestamp> {
    let event = |path: &Path| {
        let mut lines = Lines::open(path, 0).ok()?;
        Event::parse(lines.next().ok()??.bytes).ok()?
    };
    match event(&session.segment_log()).or_else(|| event(&session.open_event()))?.body {
        Body::SegmentClosed(closed) => Some(closed.opened_at),
        Body::SegmentOpen(open) => Some(open.at),
        _ => None,
    }
}

/// Returns the growing segment of a session.
#[must_use]
pub fn growing(session: &Session) -> Option<SegmentOpen> {
    let line = regular::read(&session.open_event()).ok()?;
    match Event::parse(line.trim_ascii()).ok()??.body {
        Body::SegmentOpen(open) => Some(open),
        _ => None,
    }
}

/// Returns the seconds of a session's timeline up to the end of its last finished segment.
#[must_use]
pub fn duration(session: &Session) -> f64 {
    let log = SegmentLog::after(session, u64::MAX);
    let end = log.last().and_then(|last| {
        Some(last.timeline?.offset as f64 / TICKS_PER_SECOND as f64 + last.duration?)
    });
    end.unwrap_or(0.0).max(0.0)
}

/// Appends whole lines to the log at `path`, durably. After an error it is as before.
pub fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    Journal::open(path)?.append_durably(lines)
}

/// Cuts a line that a kill has torn off the end of the log at `path`, if there is one.
pub fn mend(path: &Path) -> io::Result<()> {
    if matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    let mut journal = Journal::open(path)?;
    let end = journal.end();
    if journal.file().metadata()?.len() > end {
        journal.cut(end)?;
        journal.file().sync_all()?;
    }
    Ok(())
}

/// Tells whether a line can come from cht-recv: other programs may have written anything.
fn is_plausible(closed: &SegmentClosed) -> bool {
    let is_time = |ticks: i64| ticks.unsigned_abs() <= MAX_NUMBER;
    (1..=MAX_SEQUENCE).contains(&closed.seq)
        && closed.connection < u32::MAX
        && closed.offset.max(closed.bytes) <= MAX_NUMBER
        && closed.timeline.is_none_or(|Anchor { pts, offset }| is_time(pts) && is_time(offset))
        && closed.duration.is_none_or(|seconds| (0.0..=1e9).contains(&seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Deleted, EndReason},
        ndjson::MAX_LINE,
    };

    fn new_session() -> (tempfile::TempDir, Session) {
        let folder = tempfile::tempdir().unwrap();
        let now = crate::process::clock::local();
        let session = Session::create(folder.path(), None, &now).unwrap();
        (folder, session)
    }

    fn closed(session: &Session, seq: u64) -> Vec<u8> {
        let at = crate::process::clock::wall();
        let closed = SegmentClosed {
            seq,
            path: session.segment(seq).to_string_lossy().into_owned(),
            connection: seq as u32,
            offset: 0,
            bytes: 1,
            blake3: String::new(),
            timeline: None,
            duration: None,
            opened_at: at,
            closed_at: at,
            end_reason: EndReason::Keyframe,
        };
        Event::new(None, closed).to_line()
    }

    fn deleted(session: &Session, seq: u64) -> Vec<u8> {
        deleted_for(session, seq, DeleteReason::MinFree)
    }

    fn deleted_for(session: &Session, seq: u64, reason: DeleteReason) -> Vec<u8> {
        let path = session.segment(seq).to_string_lossy().into_owned();
        let at = crate::process::clock::wall();
        Event::new(None, Deleted { seq, path, bytes: 1, reason, at }).to_line()
    }

    #[test]
    fn removed_segment_is_gone_and_still_counts() {
        let (_folder, session) = new_session();
        let mut log = SegmentLog::of(&session);
        assert!(log.last().is_none() && !log.update(&session));
        let path = session.segment_log();
        for seq in 1..=3 {
            append(&path, &closed(&session, seq)).unwrap();
        }
        append(&path, &[deleted(&session, 1), deleted(&session, 3)].concat()).unwrap();
        assert!(log.update(&session));
        assert_eq!(log.kept().map(|closed| closed.seq).collect::<Vec<_>>(), [2]);
        assert_eq!(log.deleted().collect::<Vec<_>>(), [1, 3]);
        assert_eq!((log.last().unwrap().seq, log.connections()), (3, 3));
        assert_eq!(SegmentLog::of(&session).next_sequence(&session).unwrap(), 4);
    }

    #[test]
    fn record_read_from_its_end_has_all_later_segments() {
        let (_folder, session) = new_session();
        let lines: Vec<u8> = (1..=2000).flat_map(|seq| closed(&session, seq)).collect();
        append(&session.segment_log(), &lines).unwrap();
        append(&session.segment_log(), &deleted(&session, 3)).unwrap();
        for seq in [0, 1, 1500, 1999, 2000] {
            let log = SegmentLog::after(&session, seq);
            assert_eq!(log.kept().filter(|closed| closed.seq > seq).count() as u64, {
                2000 - seq - u64::from(seq < 3)
            });
        }
        let mut log = SegmentLog::after(&session, 2000);
        assert!(log.kept().count() < 400, "{}", log.kept().count());
        append(&session.segment_log(), &closed(&session, 2001)).unwrap();
        assert!(log.update(&session) && log.get(2001).is_some());
    }

    #[test]
    fn torn_line_is_read_when_whole() {
        let (_folder, session) = new_session();
        let line = closed(&session, 1);
        let (begin, end) = line.split_at(20);
        std::fs::write(session.segment_log(), begin).unwrap();
        let mut log = SegmentLog::of(&session);
        assert!(log.last().is_none());
        let mut file =
            std::fs::OpenOptions::new().append(true).open(session.segment_log()).unwrap();
        std::io::Write::write_all(&mut file, end).unwrap();
        assert!(log.update(&session) && log.get(1).is_some());
        assert!(!log.update(&session));
    }

    #[test]
    fn missing_segment_comes_back_with_another_line_and_a_removed_one_does_not() {
        let (_folder, session) = new_session();
        for seq in 1..=3 {
            append(&session.segment_log(), &closed(&session, seq)).unwrap();
        }
        for (seq, reason) in [(1, DeleteReason::MinFree), (2, DeleteReason::Missing)] {
            append(&session.segment_log(), &deleted_for(&session, seq, reason)).unwrap();
        }
        let mut log = SegmentLog::read(&session).unwrap();
        assert!(log.missing(1).is_none() && log.missing(2).is_some());
        assert!(log.is_deleted(1) && log.is_deleted(2));
        let lines = [closed(&session, 1), closed(&session, 2)].concat();
        append(&session.segment_log(), &lines).unwrap();
        assert!(log.update(&session));
        assert_eq!(log.kept().map(|closed| closed.seq).collect::<Vec<_>>(), [2, 3]);
        assert!(log.is_deleted(1) && !log.is_deleted(2) && log.missing(2).is_none());
        // Missing again, and then removed by retention: that one is final.
        for reason in [DeleteReason::Missing, DeleteReason::RetainAge] {
            append(&session.segment_log(), &deleted_for(&session, 2, reason)).unwrap();
        }
        assert!(log.update(&session) && log.missing(2).is_none() && log.is_deleted(2));
    }

    #[test]
    fn garbage_lines_are_skipped_and_none_is_held_in_memory_whole() {
        let (_folder, session) = new_session();
        let path = session.segment_log();
        let good = closed(&session, 7);
        let text = String::from_utf8(good.clone()).unwrap();
        let huge = format!("{{{}\n", "x".repeat(3 * MAX_LINE));
        let lines = [
            text.replace("\"seq\":7", "\"seq\":18446744073709551615"),
            text.replace("\"seq\":7", "\"seq\":0"),
            text.replace("\"bytes\":1", "\"bytes\":18446744073709551615"),
            text.replace("\"connection\":7", "\"connection\":4294967295"),
            text.replace("\"offset\":0", "\"offset\":18446744073709551615"),
            "\0\u{fffd}{}\n".to_owned(),
            huge,
        ];
        std::fs::write(&path, lines.concat()).unwrap();
        append(&path, &good).unwrap();
        let log = SegmentLog::read(&session).unwrap();
        assert_eq!(log.kept().map(|closed| closed.seq).collect::<Vec<_>>(), [7]);
        assert_eq!((log.last().unwrap().seq, log.connections()), (7, 7));
    }

    #[test]
    fn record_that_is_no_file_is_an_error() {
        let (_folder, session) = new_session();
        assert!(SegmentLog::read(&session).unwrap().last().is_none());
        std::fs::create_dir(session.segment_log()).unwrap();
        assert!(
            SegmentLog::read(&session).is_err() && append(&session.segment_log(), b"{}\n").is_err()
        );
    }

    #[test]
    fn closed_segments_are_returned_once_in_the_order_of_the_file() {
        let (_folder, session) = new_session();
        let mut log = SegmentLog::default();
        assert!(log.closed_since(&session).is_empty());
        append(&session.segment_log(), &[closed(&session, 2), closed(&session, 1)].concat())
            .unwrap();
        assert_eq!(log.closed_since(&session), [2, 1]);
        append(&session.segment_log(), &[closed(&session, 3), deleted(&session, 3)].concat())
            .unwrap();
        assert_eq!(log.closed_since(&session), [3]);
        assert!(log.get(3).is_none() && log.closed_since(&session).is_empty());
    }
}
