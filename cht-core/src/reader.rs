//! The bytes of a session in order, from any of its segments to its end, while it still grows.

use std::io;

use crate::{
    growing::{Growing, Growth},
    regular, report,
    session::Session,
    watch::{LOOK_AGAIN, Watch},
};

/// What a read of a session gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many bytes of the segment `seq`.
    Bytes {
        /// The segment's number.
        seq: u64,
        /// How many bytes are in the buffer.
        count: usize,
    },
    /// Nothing new within the time of one look; ask again.
    Nothing,
    /// The recorder has ended, and all of it was read.
    Ended,
}

/// Reads a session.
#[derive(Debug)]
pub struct SessionReader {
    session: Session,
    seq: u64,
    current: Option<Growing>,
    watch: Watch,
}

impl SessionReader {
    /// Reads from the beginning of segment `seq`, which may not be there yet.
    pub fn new(session: Session, seq: u64) -> io::Result<Self> {
        let watch = Watch::new()?;
        watch.add_names(&session.stream())?;
        Ok(Self { session, seq, current: None, watch })
    }

    /// Reads what is there, or waits a moment for more.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        // Whatever a recorder did before its end is seen by what follows.
        let alive = self.session.is_recording();
        let Some(current) = self.current_segment()? else {
            if !alive {
                return Ok(Progress::Ended);
            }
            self.watch.wait(None, LOOK_AGAIN)?;
            return Ok(Progress::Nothing);
        };
        match current.read(buffer)? {
            Growth::Bytes(count) => Ok(Progress::Bytes { seq: self.seq, count }),
            Growth::Nothing => Ok(Progress::Nothing),
            Growth::Finished | Growth::Abandoned => {
                self.current = None;
                self.seq += 1;
                Ok(Progress::Nothing)
            }
        }
    }

    fn current_segment(&mut self) -> io::Result<Option<&mut Growing>> {
        while self.current.is_none() {
            match Growing::open(&self.session.part(self.seq)) {
                Ok(growing) => self.current = Some(growing),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Not there yet, or retention removed it before it was read.
                    let Some(next) = self.next_existing()? else { break };
                    self.seq = next;
                }
                Err(error) if regular::is_refusal(&error) => {
                    let path = self.session.segment(self.seq);
                    report::warn(format_args!("{}: {error}; left out", path.display()));
                    self.seq += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.current.as_mut())
    }

    fn next_existing(&self) -> io::Result<Option<u64>> {
        let segments = self.session.segments()?;
        let mut later = segments.iter().filter_map(|path| crate::session::sequence(path));
        Ok(later.find(|seq| *seq > self.seq))
    }
}
