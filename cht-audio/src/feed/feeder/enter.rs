//! Enters the folder of pieces that a segment belongs to.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use anyhow::{Result, bail};
use cht_core::{
    session::{Session, identity},
    stage::NoFolder,
};

use super::Feeder;
use crate::{
    feed::folder::Folder,
    options::Options,
    piece::{journal::PieceJournal, writer::Writer},
};

impl Feeder {
    /// Enters the folder that the pieces of `session` belong in. Returns whether it can be used; if
    /// not, an `error` event was emitted.
    pub(super) fn enter(&mut self, session: Option<&str>) -> Result<bool> {
        let Err(error) = self.go_to(session) else { return Ok(true) };
        match (session, error.downcast_ref::<NoFolder>()) {
            (Some(session), Some(no_folder)) if self.args.out.is_none() => {
                self.refused.refuse(session, no_folder, &self.output)?;
                Ok(false)
            }
            _ => Err(error),
        }
    }

    fn go_to(&mut self, session: Option<&str>) -> Result<()> {
        let path = match (&self.args.out, session, &self.args.session) {
            (Some(out), ..) => Some(out.clone()),
            (None, Some(name), _) => Some(Session::audio_of(name).map_err(NoFolder::from)?),
            (None, None, Some(session)) => Some(Session::audio_in(session)?),
            (None, None, None) => None,
        };
        let Some(path) = path else {
            bail!("the segments belong to no session; say where the pieces go with --out DIR");
        };
        self.disk.enter(session);
        self.counters.enter(session, &path);
        let is_here =
            self.folder.as_ref().is_some_and(|folder| folder.path == path || folder.is_at(&path));
        if is_here {
            if let Ok(writer) = self.writer() {
                writer.session = session.map(str::to_owned);
            }
            return Ok(());
        }
        self.end_run(false)?;
        self.folder = None;
        let options = Options::of(&self.args);
        // Pieces that this run wrote there stay when it comes back to the folder.
        let is_ours = identity(&path).is_some_and(|place| self.opened.contains(&place));
        let overwrite = self.args.overwrite && !is_ours;
        let journal = PieceJournal::open(&path, &options, overwrite, self.disk.clone())
            .map_err(|error| NoFolder::of_system(&error).map_or(error, Into::into))?;
        let place = identity(&path);
        self.opened.extend(place);
        let by_name = journal.by_name;
        let done = journal.done_keys();
        let last_seq = journal.last_done().map(|last| last.seq).filter(|_| by_name);
        let writer = Writer {
            journal,
            session: session.map(str::to_owned),
            output: self.output.clone(),
            counters: Arc::clone(&self.counters),
            ffmpeg: self.ffmpeg.clone(),
            format: self.args.format,
            skip_silent: self.args.skip_silent,
            again: HashSet::new(),
            lost: HashSet::new(),
        };
        self.folder = Some(Folder {
            path,
            place,
            by_name,
            writer: Some(writer),
            run: None,
            handled: HashMap::new(),
            done,
            last_seq,
            segment_log: None,
            joined: false,
        });
        Ok(())
    }
}
