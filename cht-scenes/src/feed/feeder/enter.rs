//! Enters the folder of frames that a segment belongs to.

use std::sync::Arc;

use anyhow::{Result, bail};
use cht_core::{
    session::{Session, identity},
    stage::NoFolder,
};

use super::Feeder;
use crate::feed::folder::{Folder, KnownSegments, SelectorState};
use crate::{
    cli::options::Options,
    select::{
        journal::FrameJournal, score_log::ScoreLog, selector::FrameSelector, writer::FrameWriter,
    },
};

impl Feeder {
    /// Enters the folder that the frames of `session` belong in. Returns whether it can be used; if
    /// not, an `error` event was emitted.
    pub(crate) fn enter(&mut self, session: Option<&str>) -> Result<bool> {
        let Err(error) = self.go_to(session) else { return Ok(true) };
        match (session, error.downcast_ref::<NoFolder>()) {
            (Some(session), Some(no_folder)) if self.args.out.is_none() => {
                self.refused.refuse(session, no_folder, &self.output)?;
                Ok(false)
            }
            _ => Err(error),
        }
    }

    /// Enters the folder, or returns the error that prevents it.
    pub(crate) fn go_to(&mut self, session: Option<&str>) -> Result<()> {
        let path = match (&self.args.out, session, &self.args.session) {
            (Some(out), ..) => Some(out.clone()),
            (None, Some(name), _) => Some(Session::frames_of(name).map_err(NoFolder::from)?),
            (None, None, Some(session)) => Some(Session::frames_in(session)?),
            (None, None, None) => None,
        };
        let Some(path) = path else {
            bail!("the segments belong to no session; say where the frames go with --out DIR");
        };
        self.counters.enter(session, &path);
        self.disk.enter(session);
        if self.folder.as_ref().is_some_and(|folder| folder.path == path || folder.is_at(&path)) {
            if let Ok(selector) = self.selector() {
                selector.writer.session = session.map(str::to_owned);
            }
            return Ok(());
        }
        self.end_run()?;
        if let Ok(selector) = self.selector() {
            selector.writer.release()?;
        }
        self.folder = None;
        let options = Options::of(&self.args);
        // Frames that this run wrote there stay when it comes back to the folder.
        let is_ours = identity(&path).is_some_and(|place| self.opened.contains(&place));
        let overwrite = self.args.overwrite && !is_ours;
        let journal = FrameJournal::open(&path, &options, overwrite, self.disk.clone())
            .map_err(|error| NoFolder::of_system(&error).map_or(error, Into::into))?;
        self.opened.extend(identity(&path));
        self.ahead = journal.last().map_or(0, |last| last.ahead);
        let known = KnownSegments::of(&journal);
        let last_seq = journal.last().map(|last| last.done.seq).filter(|_| known.by_name);
        let state = journal.last().map(|last| last.state).unwrap_or_default();
        let detectors = self.detectors(None, state)?;
        let scores = self.args.scores.as_ref();
        let scores =
            scores.map(|path| ScoreLog::open(path, &journal.done_paths(), self.disk.clone()));
        let (scores, interrupt) = (scores.transpose()?, Arc::clone(&self.interrupt));
        let (output, args, ffmpeg) = (self.output.clone(), &self.args, self.ffmpeg.clone());
        let counters = || Arc::clone(&self.counters);
        let writer = FrameWriter::new(journal, session, output, args, ffmpeg, counters());
        let selector = FrameSelector::new(writer, detectors, args, scores, counters(), interrupt);
        self.folder = Some(Folder {
            place: identity(&path),
            path,
            known,
            state: SelectorState::Idle(Box::new(selector)),
            replayed: None,
            last_seq,
            segment_log: None,
            joined: false,
        });
        Ok(())
    }

    /// Leaves the folder of a session that was removed while its frames were being selected: there
    /// is no place for them any more. Returns whether it was removed.
    pub(crate) fn leave_removed(&mut self) -> Result<bool> {
        let is_gone = |folder: &Folder| !folder.path.exists();
        let is_of_session = self.args.out.is_none();
        let Some(mut folder) = self.folder.take_if(|folder| is_of_session && is_gone(folder))
        else {
            return Ok(false);
        };
        if let Some(run) = folder.take_run() {
            // Its error was that the folder is gone.
            let _ = run.abandon();
        }
        self.left.clear();
        let session = folder.path.parent().unwrap_or(&folder.path).to_string_lossy();
        self.refused.refuse(&session, &NoFolder::removed(&session), &self.output)?;
        Ok(true)
    }

    /// Goes back to the last checkpoint, as a restart does: segments decoded since then are decoded
    /// again when they come.
    pub(crate) fn give_back(&mut self) -> Result<()> {
        self.end_run()?;
        self.folder = None;
        Ok(())
    }
}
