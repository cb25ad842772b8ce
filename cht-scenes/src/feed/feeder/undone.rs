//! Decodes segments that the segment log of a session names and that are not done: first and in
//! order.
//!
//! A restarted recorder announces the segments that it adopts, and none that was closed before. The
//! segments that cht-scenes had not reached when all stages were killed are in the segment log
//! alone.

use std::path::Path;

use anyhow::Result;
use cht_core::{
    event::Segment,
    segment::SegmentError,
    session::{INDEX_JOURNAL, Session, segment_log::SegmentLog},
};

use super::Feeder;
use crate::feed::{
    folder::{Folder, SelectorState},
    indexed::last_indexed,
};
use crate::select::journal::FileId;

impl Feeder {
    /// Decodes a finished segment, after the earlier segments of the segment log that are not done.
    pub(crate) fn segment(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        if !self.enter(session)? {
            return Ok(());
        }
        if segment.connection.is_some() {
            self.decode_undone(session, segment.seq)?;
        }
        self.take_segment(session, segment)
    }

    /// Decodes the finished segment at a path.
    pub(crate) fn path(&mut self, path: &Path) -> Result<()> {
        // A file given twice has one place on the timeline.
        if FileId::at(&path.to_string_lossy()).is_some_and(|file| !self.given.insert(file)) {
            return Ok(());
        }
        match self.unannounced.examine(path)? {
            Some((session, segment)) => self.segment(session.as_deref(), &segment),
            None => Ok(()),
        }
    }

    /// Joins a session whose recorder has started: emits again the frames that its index lacks, and
    /// decodes the segments that were closed before and that no event announces.
    pub(crate) fn join(&mut self, session: &str) -> Result<()> {
        let is_begun =
            Session::open(Path::new(session)).is_ok_and(|session| SegmentLog::is_begun(&session));
        if self.args.out.is_some() || !is_begun || !self.enter(Some(session))? {
            return Ok(());
        }
        self.decode_undone(Some(session), u64::MAX)
    }

    /// Emits again the frames that were kept and did not reach the index before all stages were
    /// killed. The first event of a session triggers this: `listening` of its recorder, or the
    /// first segment of a followed session.
    fn emit_again(&mut self) -> Result<()> {
        let Some(folder) = self.folder.as_mut().filter(|folder| !folder.joined) else {
            return Ok(());
        };
        folder.joined = true;
        let SelectorState::Idle(selector) = &mut folder.state else { return Ok(()) };
        let writer = &mut selector.writer;
        let known = last_indexed(&folder.path.join(INDEX_JOURNAL)).saturating_sub(CHOSEN_ANEW);
        for (path, bytes) in writer.journal.done_after(known) {
            folder.known.handle(&path, None);
            writer.replay(&path, bytes)?;
        }
        Ok(())
    }

    /// Emits again the frames that the index of `session` lacks, and decodes the segments that its
    /// segment log names before number `before` and that are not done. If the last segment was just
    /// before that number, there are none.
    pub(crate) fn decode_undone(&mut self, session: Option<&str>, before: u64) -> Result<()> {
        if self.folder.as_ref().is_some_and(|folder| folder.known.by_name) {
            self.emit_again()?;
        }
        let Some(folder) = self.folder.as_mut().filter(|folder| folder.known.by_name) else {
            return Ok(());
        };
        let last = folder.last_seq.unwrap_or(0);
        if last.checked_add(1).is_none_or(|next| next >= before) {
            return Ok(());
        }
        let Some(session) = session.and_then(|path| Session::open(Path::new(path)).ok()) else {
            return Ok(());
        };
        if folder.path != session.frames() && !folder.is_at(&session.frames()) {
            return Ok(());
        }
        let log = folder.segment_log.get_or_insert_with(|| SegmentLog::after(&session, last));
        log.update(&session);
        let undone = log.closed_in(last + 1..before);
        undone.into_iter().try_for_each(|seq| self.undone(&session, seq))
    }

    /// Goes back to the last checkpoint, as a restart does, after the recorder of the segment `seq`
    /// was killed while that was followed: half a picture at the end may have changed the decoded
    /// pictures before it.
    pub(crate) fn abandon(&mut self, session: Option<&str>, seq: u64) -> Result<()> {
        if let Some(run) = self.folder.as_mut().and_then(Folder::take_run) {
            run.abandon()?;
        }
        self.left.clear();
        self.folder = None;
        if self.enter(session)? { self.decode_undone(session, seq) } else { Ok(()) }
    }

    /// Decodes a segment that was closed and not announced.
    fn undone(&mut self, session: &Session, seq: u64) -> Result<()> {
        let path = session.segment(seq);
        let Some(folder) = &mut self.folder else { return Ok(()) };
        if folder.known.contains(&path.to_string_lossy()) {
            return Ok(());
        }
        if folder.segment_log.as_ref().is_some_and(|log| log.is_deleted(seq)) {
            folder.last_seq = folder.last_seq.max(Some(seq));
            if folder.segment_log.as_ref().is_some_and(|log| log.missing(seq).is_none()) {
                // If this stage lags, the segment is announced as well, and its file never comes
                // back.
                folder.known.handle(&path.to_string_lossy(), None);
            }
            let error = SegmentError::Deleted(path.clone());
            return Ok(self.unannounced.fail(Some(session.name()), &path, &error)?);
        }
        if let Some((name, segment)) = self.unannounced.examine(&path)? {
            return self.take_segment(name.as_deref(), &segment);
        }
        if let Some(folder) = &mut self.folder {
            folder.last_seq = folder.last_seq.max(Some(seq));
        }
        Ok(())
    }

    /// Refuses a segment that comes after a later one is done: its frames would get later numbers.
    pub(crate) fn refuse_late(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        let message = format!(
            "{}: comes after a later segment was done; left out, because its frames would get later numbers \
             (to decode all of the session anew: --overwrite, or --out DIR)",
            segment.path
        );
        Ok(self.output.fail(session, "out_of_order", &message, Some(&segment.path))?)
    }
}

/// Number of the last frames in an index that may have been selected anew since, under the same
/// numbers.
const CHOSEN_ANEW: u64 = 16;
