//! Enters the folder of frames that a segment belongs to.

use std::{collections::HashMap, sync::Arc};

use anyhow::{Result, bail};
use cht_core::session::{Session, identity};

use super::Feeder;
use crate::feed::{
    folder::{Folder, Work},
    refused::NoFolder,
};
use crate::{
    cli::options::Options,
    select::{
        journal::FrameJournal, score_log::ScoreLog, selector::FrameSelector, writer::FrameWriter,
    },
};

/// Number of sessions whose error was emitted and is not emitted again.
const REMEMBERED: usize = 256;

impl Feeder {
    /// Enters the folder that the frames of `session` belong in. Returns whether it can be used; if
    /// not, an `error` event was emitted.
    pub(crate) fn enter(&mut self, session: Option<&str>) -> Result<bool> {
        let entered = self.go_to(session);
        let Err(error) = entered else { return Ok(true) };
        let given = self.args.out.is_some();
        let Some(session) = session.filter(|_| !given && error.is::<NoFolder>()) else {
            return Err(error);
        };
        if !self.refused.contains(&session.to_owned()) {
            if self.refused.len() == REMEMBERED {
                self.refused.pop_front();
            }
            self.refused.push_back(session.to_owned());
            // Our events hold absolute paths.
            let absolute = Some(session).filter(|session| session.starts_with('/'));
            self.output.fail(absolute, "session", &error.to_string(), Some(session))?;
        }
        Ok(false)
    }

    /// Enters the folder, or returns the error that prevents it.
    pub(crate) fn go_to(&mut self, session: Option<&str>) -> Result<()> {
        let path = match (&self.args.out, session, &self.args.session) {
            (Some(out), ..) => Some(out.clone()),
            (None, Some(name), _) => Some(Session::frames_of(name).map_err(NoFolder::foreign)?),
            (None, None, Some(session)) => Some(Session::frames_in(session)?),
            (None, None, None) => None,
        };
        let Some(path) = path else {
            bail!("the segments belong to no session; say where the frames go with --out DIR");
        };
        self.counters.enter(session);
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
            .map_err(NoFolder::or)?;
        self.opened.extend(identity(&path));
        self.ahead = journal.last().map_or(0, |last| last.ahead);
        let (done_before, files, by_name) =
            (journal.done_before(), journal.files(), journal.by_name());
        let last_seq = journal.last().map(|last| last.done.seq).filter(|_| by_name);
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
            by_name,
            done_before,
            files,
            work: Work::Idle(Box::new(selector)),
            handled: HashMap::new(),
            replayed: None,
            last_seq,
            segment_log: None,
            joined: false,
        });
        Ok(())
    }

    /// Goes back to the last checkpoint, as a restart does: segments decoded since then are decoded
    /// again when they come.
    pub(crate) fn give_back(&mut self) -> Result<()> {
        self.end_run()?;
        self.folder = None;
        Ok(())
    }
}
