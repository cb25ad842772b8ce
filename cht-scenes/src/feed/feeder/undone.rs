//! Segments that the record of a session names and that are not done: they come first, in order.
//!
//! A recorder that is started again announces what it adopts, and nothing that was closed before. What cht-scenes
//! had not come to when all stages were killed is in the record alone.

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
    /// Decodes a finished segment, and before it what the record names before it and is not done.
    pub(crate) fn segment(&mut self, session: Option<&str>, segment: &Segment) -> Result<()> {
        if !self.enter(session)? {
            return Ok(());
        }
        if segment.connection.is_some() {
            self.catch_up(session, segment.seq)?;
        }
        self.take_segment(session, segment)
    }

    /// Decodes the finished segment at a path.
    pub(crate) fn path(&mut self, path: &Path) -> Result<()> {
        // The same file once more has no other place on the timeline.
        if FileId::at(&path.to_string_lossy()).is_some_and(|file| !self.given.insert(file)) {
            return Ok(());
        }
        match self.examine(path)? {
            Some((session, segment)) => self.segment(session.as_deref(), &segment),
            None => Ok(()),
        }
    }

    /// A recorder has come to a session: emits again what its index lacks, and decodes what was closed before and nobody
    /// announces.
    pub(crate) fn join(&mut self, session: &str) -> Result<()> {
        let is_empty = || Some(std::fs::metadata(Path::new(session).join(RECORD)).ok()?.len() == 0);
        if self.args.out.is_some() || is_empty() != Some(false) {
            return Ok(());
        }
        if !self.enter(Some(session))? {
            return Ok(());
        }
        self.catch_up(Some(session), u64::MAX)
    }

    /// Emits again the frames that were kept and did not reach the index before all stages were killed. Whatever begins a
    /// session does so first: `listening` of its recorder, or, of one that is followed, its first segment.
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

    /// Emits again what the index of `session` lacks, and decodes the segments that its record names before number `before`
    /// and that are not done. Where the last one was just before it, there is none.
    pub(crate) fn catch_up(&mut self, session: Option<&str>, before: u64) -> Result<()> {
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
        let record = folder.record.get_or_insert_with(|| SegmentLog::after(&session, last));
        record.update(&session);
        let kept = record.kept().map(|closed| closed.seq);
        let mut undone: Vec<u64> = kept.chain(record.deleted()).collect();
        undone.retain(|seq| (last + 1..before).contains(seq));
        undone.sort_unstable();
        for seq in undone {
            self.undone(&session, seq)?;
        }
        Ok(())
    }

    /// The recorder of the segment `seq` was killed while that was followed. Goes back to the last checkpoint, as a restart
    /// does: what the decoder made of half a picture at the end may have changed pictures before it.
    pub(crate) fn abandon(&mut self, session: Option<&str>, seq: u64) -> Result<()> {
        if let Some(run) = self.folder.as_mut().and_then(Folder::take_run) {
            run.abandon()?;
        }
        self.left.clear();
        self.folder = None;
        if self.enter(session)? { self.catch_up(session, seq) } else { Ok(()) }
    }

    /// Decodes a segment that was closed and not announced.
    fn undone(&mut self, session: &Session, seq: u64) -> Result<()> {
        let path = session.segment(seq);
        let Some(folder) = &mut self.folder else { return Ok(()) };
        if folder.knows(&path.to_string_lossy()) {
            return Ok(());
        }
        if folder.record.as_ref().is_some_and(|record| record.is_deleted(seq)) {
            folder.last_seq = folder.last_seq.max(Some(seq));
            if folder.record.as_ref().is_some_and(|record| record.missing(seq).is_none()) {
                // It is announced as well where this stage lags, and never comes back.
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

    /// Looks at what is in a finished segment; `None` if it is none, which is then said.
    fn examine(&mut self, path: &Path) -> Result<Option<(Option<String>, Segment)>> {
        let event = match self.examiner.examine(path) {
            Ok(event) => event,
            Err(error) => return self.say(None, path, &error).map(|()| None),
        };
        let damage = damage(&event);
        if matches!(&event.body, Body::Segment(segment) if segment.connection.is_none()) {
            // Of what cht-recv has recorded, it has said so.
            oddities(&event).into_iter().for_each(report::note);
        }
        let Event { session, body: Body::Segment(segment) } = event else { return Ok(None) };
        if let Some(message) = damage {
            self.fail(session.as_deref(), "damaged", &message, Some(&segment.path))?;
        }
        Ok(Some((session, segment)))
    }

    /// Refuses a segment that comes when a later one is done: its frames would get later numbers.
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
        self.output.fail(session, code, message, path)
    }
}

/// So many of the last frames in an index may have been chosen anew since, under the same numbers.
const CHOSEN_ANEW: u64 = 16;

/// Where the record lies in a session.
const RECORD: &str = "stream/segments.ndjson";
