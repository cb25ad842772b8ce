//! The bytes of a session in order, from any of its segments to its end, while it still grows.

use std::{
    io,
    time::{Duration, SystemTime},
};

use super::{
    SegmentError, Session,
    live_segment::{Growth, LiveSegment},
    watch::Watch,
};
use crate::{process::report, storage::regular};

/// Result of reading a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the segment `seq`.
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
    current: Option<LiveSegment>,
    watch: Watch,
    /// How long a wait for the next segment lasts at most.
    look_again: Duration,
    /// When the folder had changed last, as it was listed in vain.
    listed: Option<SystemTime>,
}

impl SessionReader {
    /// Reads from the beginning of segment `seq`, which may not be there yet.
    pub fn new(session: Session, seq: u64) -> io::Result<Self> {
        let watch = Watch::new();
        let look_again = watch.add_names(&session.stream())?.look_again();
        Ok(Self { session, seq, current: None, watch, look_again, listed: None })
    }

    /// Reads the next bytes, or waits a moment for more.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Progress> {
        // Everything that a recorder did before its end is seen after this.
        let alive = self.session.is_recording();
        let Some(current) = self.current_segment(alive)? else {
            if !alive {
                return Ok(Progress::Ended);
            }
            self.watch.wait(None, self.look_again)?;
            return Ok(Progress::Nothing);
        };
        match current.read(buffer) {
            Ok(Growth::Bytes(count)) => Ok(Progress::Bytes { seq: self.seq, count }),
            Ok(Growth::Nothing) => Ok(Progress::Nothing),
            Ok(Growth::Finished | Growth::Abandoned) => {
                self.leave();
                Ok(Progress::Nothing)
            }
            Err(error) => {
                self.leave_out(&error);
                Ok(Progress::Nothing)
            }
        }
    }

    fn leave(&mut self) {
        self.current = None;
        self.seq += 1;
    }

    /// Continues after a segment that cannot be read, or not to its end.
    fn leave_out(&mut self, error: &io::Error) {
        let path = self.session.segment(self.seq);
        report::warn(format_args!("{}: {error}; left out", path.display()));
        self.leave();
    }

    fn current_segment(&mut self, alive: bool) -> io::Result<Option<&mut LiveSegment>> {
        while self.current.is_none() {
            match LiveSegment::open(&self.session.part(self.seq)) {
                Ok(growing) => self.current = Some(growing),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Not there yet, or retention removed it before it was read.
                    let Some(next) = self.next_existing(alive)? else { break };
                    self.say_removed(next);
                    self.seq = next;
                }
                Err(error) if regular::is_refusal(&error) => self.leave_out(&error),
                Err(error) => return Err(error),
            }
        }
        Ok(self.current.as_mut())
    }

    /// Warns that the segments before the number `next` were not read.
    fn say_removed(&self, next: u64) {
        let first = self.session.segment(self.seq);
        match next - self.seq {
            0 => {}
            1 => report::warn(SegmentError::Deleted(first)),
            count => report::warn(format_args!(
                "{} and the {} after it: removed by cht-recv before they were read; left out (keep more: \
                 --retain-bytes, --retain-age, --min-free)",
                first.display(),
                count - 1
            )),
        }
    }

    /// Returns the number of the next segment that exists. Lists the folder when it has changed,
    /// and at the end of the recorder in any case: two changes may have the same time stamp.
    fn next_existing(&mut self, alive: bool) -> io::Result<Option<u64>> {
        let changed = self.session.stream().metadata()?.modified().ok();
        if alive && self.listed.is_some() && self.listed == changed {
            return Ok(None);
        }
        let segments = self.session.segments()?;
        // Of the segment itself: it was made, and closed, since it was looked for.
        let is_here =
            self.session.segment(self.seq).symlink_metadata().is_ok_and(|it| it.is_file());
        let first = if is_here { self.seq } else { self.seq + 1 };
        let mut later = segments.iter().filter_map(|path| super::sequence(path));
        let next = later.find(|seq| *seq >= first);
        self.listed = if next.is_none() { changed } else { None };
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_segments_are_passed_over_and_the_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let session =
            Session::create(folder.path(), None, &crate::process::clock::local()).unwrap();
        let lock = session.lock().unwrap();
        let mut reader = SessionReader::new(session.clone(), 1).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(reader.read(&mut buffer).unwrap(), Progress::Nothing);
        std::fs::write(session.segment(3), b"three").unwrap();
        let mut next = || loop {
            match reader.read(&mut buffer).unwrap() {
                Progress::Nothing => {}
                progress => break progress,
            }
        };
        assert_eq!(next(), Progress::Bytes { seq: 3, count: 5 });
        // No change of the folder since: its last segment is still found.
        std::fs::write(session.segment(5), b"five").unwrap();
        drop(lock);
        assert_eq!(next(), Progress::Bytes { seq: 5, count: 4 });
        assert_eq!(next(), Progress::Ended);
    }
}
