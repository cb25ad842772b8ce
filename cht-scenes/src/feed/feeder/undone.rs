//! Decodes segments that the segment log of a session names and that are not done: first and in
//! order.
//!
//! A restarted recorder announces the segments that it adopts, and none that was closed before. The
//! segments that cht-scenes had not reached when all stages were killed are in the segment log
//! alone.

use std::path::Path;

use anyhow::Result;
use cht_core::{
    event::{Body, Event, Segment, absolute},
    process::report,
    segment::{SegmentError, damage, oddities},
    session::{Session, segment_log::SegmentLog},
};

use super::Feeder;
use crate::feed::{
    folder::{Folder, Work},
    indexed::{INDEX, last_indexed},
};
use crate::select::journal::{FileId, key};

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
        match self.examine(path)? {
            Some((session, segment)) => self.segment(session.as_deref(), &segment),
            None => Ok(()),
        }
    }

    /// Joins a session whose recorder has started: emits again the frames that its index lacks, and
    /// decodes the segments that were closed before and that no event announces.
    pub(crate) fn join(&mut self, session: &str) -> Result<()> {
        let log = Session::open(Path::new(session)).map(|session| session.segment_log());
        let length = log.ok().and_then(|log| Some(std::fs::metadata(log).ok()?.len()));
        if self.args.out.is_some() || length.is_none_or(|length| length == 0) {
            return Ok(());
        }
        if !self.enter(Some(session))? {
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
        let Work::Idle(selector) = &mut folder.work else { return Ok(()) };
        let writer = &mut selector.writer;
        let known = last_indexed(&folder.path.join(INDEX)).saturating_sub(CHOSEN_ANEW);
        for (path, bytes) in writer.journal.done_after(known) {
            folder.handled.insert(key(&path, folder.by_name).to_owned(), None);
            writer.replay(&path, bytes)?;
        }
        Ok(())
    }

    /// Emits again the frames that the index of `session` lacks, and decodes the segments that its
    /// segment log names before number `before` and that are not done. If the last segment was just
    /// before that number, there are none.
    pub(crate) fn decode_undone(&mut self, session: Option<&str>, before: u64) -> Result<()> {
        if self.folder.as_ref().is_some_and(|folder| folder.by_name) {
            self.emit_again()?;
        }
        let Some(folder) = self.folder.as_mut().filter(|folder| folder.by_name) else {
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
        let kept = log.kept().map(|closed| closed.seq);
        let mut undone: Vec<u64> = kept.chain(log.deleted()).collect();
        undone.retain(|seq| (last + 1..before).contains(seq));
        undone.sort_unstable();
        for seq in undone {
            self.undone(&session, seq)?;
        }
        Ok(())
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
        if folder.knows(&path.to_string_lossy()) {
            return Ok(());
        }
        if folder.segment_log.as_ref().is_some_and(|log| log.is_deleted(seq)) {
            folder.last_seq = folder.last_seq.max(Some(seq));
            if folder.segment_log.as_ref().is_some_and(|log| log.missing(seq).is_none()) {
                // If this stage lags, the segment is announced as well, and its file never comes
                // back.
                let name = folder.key(&path.to_string_lossy()).to_owned();
                folder.handled.insert(name, None);
            }
            return self.say(Some(session.name()), &path, &SegmentError::Deleted(path.clone()));
        }
        if let Some((name, segment)) = self.examine(&path)? {
            return self.take_segment(name.as_deref(), &segment);
        }
        if let Some(folder) = &mut self.folder {
            folder.last_seq = folder.last_seq.max(Some(seq));
        }
        Ok(())
    }

    /// Examines a finished segment; emits an error and returns `None` if the file is no segment.
    fn examine(&mut self, path: &Path) -> Result<Option<(Option<String>, Segment)>> {
        let event = match self.examiner.examine(path) {
            Ok(event) => event,
            Err(error) => return self.say(None, path, &error).map(|()| None),
        };
        let damage = damage(&event);
        if matches!(&event.body, Body::Segment(segment) if segment.connection.is_none()) {
            // cht-recv has reported the oddities of its own recordings.
            oddities(&event).into_iter().for_each(report::note);
        }
        let Event { session, body: Body::Segment(segment) } = event else { return Ok(None) };
        if let Some(message) = damage {
            self.fail(session.as_deref(), "damaged", &message, Some(&segment.path))?;
        }
        Ok(Some((session, segment)))
    }

    /// Refuses a segment that comes after a later one is done: its frames would get later numbers.
    pub(crate) fn refuse_late(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        let message = format!(
            "{}: comes after a later segment was done; left out, because its frames would get later numbers \
             (to decode all of the session anew: --overwrite, or --out DIR)",
            segment.path
        );
        self.fail(session, "out_of_order", &message, Some(&segment.path))
    }

    fn say(&self, session: Option<&str>, path: &Path, error: &SegmentError) -> Result<()> {
        let name = absolute(path).ok();
        self.fail(session, error.code(), &error.to_string(), name.as_deref())
    }

    fn fail(
        &self,
        session: Option<&str>,
        code: &str,
        message: &str,
        path: Option<&str>,
    ) -> Result<()> {
        Ok(self.output.fail(session, code, message, path)?)
    }
}

/// Number of the last frames in an index that may have been selected anew since, under the same
/// numbers.
const CHOSEN_ANEW: u64 = 16;
