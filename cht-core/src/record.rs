//! cht-recv's record of a session: which segments it closed, and which it has removed since.
//!
//! One line a closed segment (`segment_closed`) and one a removed segment (`deleted`), only ever appended. A removal is
//! written down before the file goes, so that a file whose removal is written down counts as gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::OpenOptions,
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use crate::{
    durable,
    event::{Body, Event, SegmentClosed},
    report,
    session::Session,
};

/// What the record of a session says.
#[derive(Debug, Default)]
pub struct Record {
    kept: BTreeMap<u64, SegmentClosed>,
    deleted: BTreeSet<u64>,
    last: Option<SegmentClosed>,
    connections: u32,
    /// Bytes read, to the end of a whole line.
    read: u64,
    /// That it cannot be read was said.
    unreadable: bool,
}

impl Record {
    /// Reads the record of `session`; one that cannot be read says nothing, nor does a line that cannot.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let mut record = Self::default();
        record.update(session);
        record
    }

    /// Reads what was appended since. Returns whether there was anything.
    pub fn update(&mut self, session: &Session) -> bool {
        let path = session.record();
        let mut file = match durable::open_to_read(&path) {
            Ok(file) => file,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound && !self.unreadable {
                    report::warn(format_args!(
                        "{}: {error}; nothing is known of the segments in it",
                        path.display()
                    ));
                    self.unreadable = true;
                }
                return false;
            }
        };
        if file.metadata().is_ok_and(|metadata| metadata.len() < self.read) {
            // Another file of this name.
            *self = Self::default();
        }
        let before = self.read;
        if file.seek(SeekFrom::Start(before)).is_err() {
            return false;
        }
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|_| line.ends_with(b"\n")) {
            self.read += line.len() as u64;
            match Event::parse(&line) {
                Ok(Some(Event { body: Body::SegmentClosed(closed), .. })) => self.close(closed),
                Ok(Some(Event { body: Body::Deleted(deleted), .. })) => {
                    self.kept.remove(&deleted.seq);
                    self.deleted.insert(deleted.seq);
                }
                _ => {}
            }
            line.clear();
        }
        self.read > before
    }

    fn close(&mut self, closed: SegmentClosed) {
        self.connections = self.connections.max(closed.connection);
        if self.last.as_ref().is_none_or(|last| last.seq < closed.seq) {
            self.last = Some(closed.clone());
        }
        if !self.deleted.contains(&closed.seq) {
            self.kept.insert(closed.seq, closed);
        }
    }

    /// The segments that were closed and not removed, in order.
    #[must_use]
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &SegmentClosed> {
        self.kept.values()
    }

    /// The segment `seq`, unless it was removed.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&SegmentClosed> {
        self.kept.get(&seq)
    }

    /// The numbers of the segments that were removed, in order.
    pub fn deleted(&self) -> impl Iterator<Item = u64> {
        self.deleted.iter().copied()
    }

    /// Whether the segment `seq` was removed.
    #[must_use]
    pub fn is_deleted(&self, seq: u64) -> bool {
        self.deleted.contains(&seq)
    }

    /// The segment that was closed last, also if it was removed since.
    #[must_use]
    pub fn last(&self) -> Option<&SegmentClosed> {
        self.last.as_ref()
    }

    /// The number of the last connection.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.connections
    }
}

/// Appends whole lines to the record at `path`, durably. After an error it is as it was before.
pub fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let mut file = durable::open(path, OpenOptions::new().create(true).append(true))?;
    let length = file.metadata()?.len();
    let written = file.write_all(lines).and_then(|()| file.sync_data());
    if written.is_err() {
        // A part of a line would swallow the next one.
        file.set_len(length)?;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{DeleteReason, Deleted, EndReason};

    fn closed(session: &Session, seq: u64) -> Vec<u8> {
        let at = crate::clock::wall();
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
        let path = session.segment(seq).to_string_lossy().into_owned();
        let (reason, at) = (DeleteReason::MinFree, crate::clock::wall());
        Event::new(None, Deleted { seq, path, bytes: 1, reason, at }).to_line()
    }

    #[test]
    fn what_was_removed_is_gone_and_still_counts() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), None, &crate::clock::local()).unwrap();
        let mut record = Record::of(&session);
        assert!(record.last().is_none() && !record.update(&session));
        let path = session.record();
        for seq in 1..=3 {
            append(&path, &closed(&session, seq)).unwrap();
        }
        append(&path, &[deleted(&session, 1), deleted(&session, 3)].concat()).unwrap();
        assert!(record.update(&session));
        assert_eq!(record.kept().map(|closed| closed.seq).collect::<Vec<_>>(), [2]);
        assert_eq!(record.deleted().collect::<Vec<_>>(), [1, 3]);
        assert_eq!((record.last().unwrap().seq, record.connections()), (3, 3));
        assert_eq!(session.next_sequence().unwrap(), 4);
    }

    #[test]
    fn a_torn_line_is_read_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let session = Session::create(folder.path(), None, &crate::clock::local()).unwrap();
        let line = closed(&session, 1);
        let (begin, end) = line.split_at(20);
        std::fs::write(session.record(), begin).unwrap();
        let mut record = Record::of(&session);
        assert!(record.last().is_none());
        append(&session.record(), end).unwrap();
        assert!(record.update(&session) && record.get(1).is_some());
        assert!(!record.update(&session));
    }
}
