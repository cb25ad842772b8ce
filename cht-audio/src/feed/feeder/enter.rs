//! Enters the folder of pieces that a segment belongs to.

use std::{
    collections::{HashMap, HashSet},
    fmt, io,
};

use anyhow::{Result, bail};
use cht_core::session::{Session, SessionError, identity};

use super::Feeder;
use crate::{
    feed::folder::Folder,
    options::Options,
    piece::{journal::PieceJournal, writer::Writer},
};

/// Number of sessions whose error was emitted and is not emitted again.
const REMEMBERED: usize = 256;

/// Reports that the folder for the pieces of a session cannot be used.
#[derive(Debug)]
struct NoFolder(anyhow::Error);

impl fmt::Display for NoFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.0)
    }
}

impl std::error::Error for NoFolder {}

impl NoFolder {
    fn foreign(error: SessionError) -> Self {
        Self(error.into())
    }

    /// Turns an error of the system into this error; other errors, such as pieces made with other
    /// options, end the program.
    fn or(error: anyhow::Error) -> anyhow::Error {
        if error.chain().any(<dyn std::error::Error>::is::<io::Error>) {
            Self(error).into()
        } else {
            error
        }
    }
}

impl Feeder {
    /// Enters the folder that the pieces of `session` belong in. Returns whether it can be used; if
    /// not, an `error` event was emitted.
    pub(super) fn enter(&mut self, session: Option<&str>) -> Result<bool> {
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

    fn go_to(&mut self, session: Option<&str>) -> Result<()> {
        let path = match (&self.args.out, session, &self.args.session) {
            (Some(out), ..) => Some(out.clone()),
            (None, Some(name), _) => Some(Session::audio_of(name).map_err(NoFolder::foreign)?),
            (None, None, Some(session)) => Some(Session::audio_in(session)?),
            (None, None, None) => None,
        };
        let Some(path) = path else {
            bail!("the segments belong to no session; say where the pieces go with --out DIR");
        };
        self.disk.enter(session);
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
            .map_err(NoFolder::or)?;
        let place = identity(&path);
        self.opened.extend(place);
        let by_name = journal.by_name;
        let done = journal.done_keys();
        let last_seq = journal.last_done().map(|last| last.seq).filter(|_| by_name);
        let writer = Writer {
            journal,
            session: session.map(str::to_owned),
            output: self.output.clone(),
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
