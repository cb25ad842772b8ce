//! Follows a session as it grows, piece by piece.

use std::{collections::VecDeque, io, sync::Arc};

use super::{
    piece::Piece,
    selection::Wanted,
    splitter::{Splitter, Summary},
    start::{self, StartPoint},
};
use crate::{
    process::{clock, report},
    session::{
        Session,
        reader::{Progress, SessionReader},
    },
};

/// Bytes per read.
const READ: usize = 64 * 1024;

/// Result of one step.
#[derive(Debug)]
pub enum Step {
    /// The next bytes.
    Piece(Piece),
    /// Nothing new within the time of one look; ask again.
    Nothing,
    /// The recorder has ended, and all of it was read.
    Ended,
}

/// Reads a session from a place on, to its end.
#[derive(Debug)]
pub struct Tail {
    session: Session,
    reader: SessionReader,
    skip: u64,
    splitter: Splitter,
    ready: VecDeque<Piece>,
    buffer: Vec<u8>,
    /// Tables of the start, and of a connection whose keyframes lack parameter sets.
    start: Option<Arc<[u8]>>,
    seq: u64,
    is_finished: bool,
}

impl Tail {
    /// Reads the `wanted` streams from `start` on.
    pub fn new(session: Session, start: StartPoint, wanted: Wanted) -> io::Result<Self> {
        let reader = SessionReader::new(session.clone(), start.seq)?;
        let splitter = Splitter::new(&start.tables, start.is_entry, wanted);
        Ok(Self {
            session,
            reader,
            skip: start.skip,
            splitter,
            ready: VecDeque::new(),
            buffer: vec![0; READ],
            start: start.is_entry.then(|| Arc::from(start.tables)),
            seq: start.seq,
            is_finished: false,
        })
    }

    /// Tells whether the next piece, the first one, begins at an entry point within the session.
    #[must_use]
    pub fn is_entry(&self) -> bool {
        self.start.is_some()
    }

    /// Returns the session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the stream's format and totals so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        self.splitter.summary()
    }

    /// Returns the next piece, or waits a moment for one.
    pub fn step(&mut self) -> io::Result<Step> {
        if let Some(piece) = self.ready.pop_front() {
            return Ok(Step::Piece(piece));
        }
        if self.is_finished {
            return Ok(Step::Ended);
        }
        match self.reader.read(&mut self.buffer)? {
            Progress::Nothing => return Ok(Step::Nothing),
            Progress::Ended => {
                self.is_finished = true;
                self.split(None);
            }
            Progress::Bytes { seq, count } => {
                self.seq = seq;
                let skipped = self.skip.min(count as u64);
                self.skip -= skipped;
                self.split(Some(skipped as usize..count));
            }
        }
        Ok(self.ready.pop_front().map_or(Step::Nothing, Step::Piece))
    }

    /// Divides bytes of the buffer, or ends the stream.
    fn split(&mut self, bytes: Option<std::ops::Range<usize>>) {
        let (session, seq, start) = (&self.session, self.seq, &mut self.start);
        let mut tables = |splitter: &Splitter| {
            start.take().unwrap_or_else(|| Arc::from(tables_of(splitter, session, seq)))
        };
        let (mut out, now) = (Vec::new(), clock::monotonic());
        match bytes {
            Some(bytes) => self.splitter.push(&self.buffer[bytes], now, &mut tables, &mut out),
            None => self.splitter.finish(now, &mut tables, &mut out),
        }
        self.ready.extend(out);
        if let Some(others) = self.splitter.take_others() {
            report::warn(format_args!(
                "{}: the stream has not what --program and --stream name; it has {others}",
                self.session.name()
            ));
        }
    }
}

/// Returns the packets that a decoder needs before the keyframe that was found last.
fn tables_of(splitter: &Splitter, session: &Session, seq: u64) -> Vec<u8> {
    let (tables, lacks_parameters) = splitter.tables();
    let complete = lacks_parameters.then(|| start::tables_of_connection(session, seq)).flatten();
    complete.unwrap_or(tables)
}
