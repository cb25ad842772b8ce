//! Files of an index.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    event::{self, Event},
    session::{INDEX_JOURNAL, Moved, Session},
    storage::journal::{Lines, Skipped},
};

/// Files of an index.
#[derive(Debug)]
pub(crate) struct Place {
    pub journal: PathBuf,
    /// Absent for an index of loose segments.
    pub session: Option<Session>,
}

impl Place {
    /// Finds the index that `path` names: a session's folder, its folder of frames, or an index.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        if let Ok(session) = Session::open(path) {
            let journal = session.index_journal();
            if !journal.exists() {
                bail!(
                    "{}: no index; make it with cht-segwatch {0} | cht-scenes | cht-index, or, where \
                     only the index is lost, with cht-export rebuild {0} | cht-index",
                    path.display()
                );
            }
            return Ok(Self { journal, session: Some(session) });
        }
        if !path.exists() {
            bail!(
                "{}: no such file or folder; name a session's folder or an index.json",
                path.display()
            );
        }
        let journal =
            if path.is_dir() { path.join(INDEX_JOURNAL) } else { path.with_extension("ndjson") };
        if !journal.is_file() {
            bail!(
                "{}: no session and no index; name a session's folder or an index.json",
                path.display()
            );
        }
        let folder = event::clean(&journal)?;
        let session = folder.ancestors().nth(2).and_then(|root| Session::open(root).ok());
        let session = session.filter(|session| folder.parent() == Some(&*session.frames()));
        Ok(Self { journal, session })
    }

    /// Returns the events of the journal, with paths of where the session is now, and warns of
    /// lines that are none.
    pub(crate) fn events(&self) -> Result<Vec<Event>> {
        let (events, skipped) = self.read()?;
        skipped.warn(&self.journal);
        Ok(events)
    }

    /// Returns the same events, and the lines that are none.
    pub(crate) fn read(&self) -> Result<(Vec<Event>, Skipped)> {
        let named = || self.journal.display().to_string();
        let mut moved = self.journal.parent().and_then(Moved::of_frames);
        let (mut events, mut skipped) = (Vec::new(), Skipped::default());
        let mut lines = Lines::open(&self.journal, 0).with_context(named)?;
        while let Some(line) = lines.next().with_context(named)? {
            match Event::parse(line.bytes) {
                Ok(Some(mut event)) => {
                    if let Some(moved) = &mut moved {
                        moved.mend_event(&mut event);
                    }
                    events.push(event);
                }
                Ok(None) => {}
                Err(error) => skipped.add(line.number, error),
            }
        }
        Ok((events, skipped))
    }
}
