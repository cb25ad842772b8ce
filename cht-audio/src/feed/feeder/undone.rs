//! Cuts segments that the segment log of a session names and that are not done: first and in order.
//!
//! A restarted recorder announces the segments that it adopts, and none that was closed before. The
//! segments that cht-audio had not reached when all stages were killed are in the segment log
//! alone.

use std::path::Path;

use anyhow::Result;
use cht_core::{
    event::{Segment, absolute},
    segment::SegmentError,
    session::{Session, segment_log::SegmentLog},
};

use super::{Feeder, again::forget_lost};
use crate::piece::journal::key;

/// Number of the last pieces that are emitted again when a session is joined: a stage after this
/// one may not have got them.
const EMITTED_AGAIN: usize = 16;

impl Feeder {
    /// Cuts a finished segment, after the earlier segments of the segment log that are not done.
    pub(crate) fn segment(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        if !self.enter(session)? {
            return Ok(());
        }
        if segment.connection.is_some() {
            self.cut_undone(session, segment.seq)?;
        }
        self.take_segment(segment)
    }

    /// Cuts the finished segment at a path.
    pub(crate) fn path(&mut self, path: &Path) -> Result<()> {
        match self.unannounced.examine(path)? {
            Some((session, segment)) => self.segment(session.as_deref(), &segment),
            None => Ok(()),
        }
    }

    /// Joins a session whose recorder has started: emits its last pieces again, and cuts the
    /// segments that were closed before and that no event announces.
    pub(crate) fn join(&mut self, session: &str) -> Result<()> {
        let is_begun =
            Session::open(Path::new(session)).is_ok_and(|session| SegmentLog::is_begun(&session));
        if self.args.out.is_some() || !is_begun || !self.enter(Some(session))? {
            return Ok(());
        }
        self.cut_undone(Some(session), u64::MAX)
    }

    /// Emits the last pieces of the folder again, once.
    fn emit_again(&mut self, session: &Session) -> Result<()> {
        let folder = self.folder()?;
        if std::mem::replace(&mut folder.joined, true) {
            return Ok(());
        }
        let Some(writer) = &mut folder.writer else { return Ok(()) };
        let forgotten = forget_lost(writer, |writer| {
            writer.journal.lost_of_last(EMITTED_AGAIN, |id| writer.lost.contains(id))
        })?;
        for piece in writer.journal.last_pieces(EMITTED_AGAIN) {
            let segment = absolute(&session.stream().join(&piece.key))?;
            writer.emit_again(piece, &segment)?;
        }
        let again = writer.journal.last_pieces(EMITTED_AGAIN).map(|piece| piece.audio.id.clone());
        writer.again = again.collect();
        forgotten.map_or(Ok(()), |forgotten| self.handle_again(&forgotten, None))
    }

    /// Cuts the segments that the segment log names before number `before` and that are not done.
    /// If the last segment was just before that number, there are none.
    pub(super) fn cut_undone(&mut self, session: Option<&str>, before: u64) -> Result<()> {
        let Some(session) = session.and_then(|path| Session::open(Path::new(path)).ok()) else {
            return Ok(());
        };
        let Some(folder) = self.folder.as_mut().filter(|folder| folder.by_name) else {
            return Ok(());
        };
        if folder.path != session.audio() && !folder.is_at(&session.audio()) {
            return Ok(());
        }
        self.emit_again(&session)?;
        let last = self.folder()?.last_seq.unwrap_or(0);
        if last.checked_add(1).is_none_or(|next| next >= before) {
            return Ok(());
        }
        let folder = self.folder()?;
        let log = folder.segment_log.get_or_insert_with(|| SegmentLog::after(&session, last));
        log.update(&session);
        let undone = log.closed_in(last + 1..before);
        undone.into_iter().try_for_each(|seq| self.undone(&session, seq))
    }

    /// Cuts a segment that was closed and not announced.
    fn undone(&mut self, session: &Session, seq: u64) -> Result<()> {
        let path = session.segment(seq);
        let folder = self.folder()?;
        let name = key(&path.to_string_lossy(), folder.by_name).to_owned();
        if folder.handled.contains_key(&name) {
            return Ok(());
        }
        if folder.segment_log.as_ref().is_some_and(|log| log.is_deleted(seq)) {
            folder.last_seq = folder.last_seq.max(Some(seq));
            if folder.segment_log.as_ref().is_some_and(|log| log.missing(seq).is_none()) {
                // If this stage lags, the segment is announced as well, and its file never comes
                // back.
                folder.handled.insert(name, 0);
            }
            let error = SegmentError::Deleted(path.clone());
            return Ok(self.unannounced.fail(Some(session.name()), &path, &error)?);
        }
        if let Some((_, segment)) = self.unannounced.examine(&path)? {
            return self.take_segment(&segment);
        }
        let folder = self.folder()?;
        folder.last_seq = folder.last_seq.max(Some(seq));
        Ok(())
    }
}
