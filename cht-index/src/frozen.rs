//! The state of an index at one moment, and `index.json` made from it: one element per line, in
//! order. Lines of the journal never change, so their places are all that has to be kept.

use std::{fs::File, io::Write as _, path::PathBuf};

use anyhow::Result;
use cht_core::{session::Moved, storage::draft::Draft};

use crate::{
    contents::{Contents, Revision},
    entry,
    frames::Span,
    lines::StoredLines,
    object::{self, Listed},
};

/// Bytes after which a draft that is made next to other work is put on the disk: the journal's own
/// syncs wait for no more than these.
const PIECE: u64 = 1 << 20;

/// State of an index.
#[derive(Debug)]
pub(crate) struct Frozen {
    path: PathBuf,
    journal: File,
    /// The line of each frame, and whether it is marked.
    frames: Vec<(Span, bool)>,
    /// The other events, for an object.
    others: Option<Listed>,
    session: Option<PathBuf>,
    /// Offset up to which the state has the journal.
    pub shows: u64,
    pub revision: Revision,
}

impl Frozen {
    /// Returns the present state of `contents`.
    pub(crate) fn of(contents: &mut Contents, is_object: bool) -> Result<Self> {
        contents.frames.sort();
        Ok(Self {
            path: contents.path.clone(),
            journal: contents.journal.file().try_clone()?,
            frames: contents.frames.items().iter().map(|item| (item.line, item.sent)).collect(),
            others: is_object.then(|| Listed::of(&contents.others)),
            session: contents.session().map(ToOwned::to_owned),
            shows: contents.position,
            revision: contents.revision,
        })
    }

    /// Writes it next to the present `index.json`.
    pub(crate) fn draft(&self) -> Result<Draft> {
        self.write(Draft::create(&self.path)?, u64::MAX)
    }

    /// Does the same next to other work.
    pub(crate) fn draft_apart(&self) -> Result<Draft> {
        self.write(Draft::create_apart(&self.path)?, PIECE)
    }

    fn write(&self, mut draft: Draft, piece: u64) -> Result<Draft> {
        let mut moved = self.path.parent().and_then(Moved::of_frames);
        let (mut lines, mut element) = (StoredLines::of(&self.journal), Vec::new());
        let session = self.session.as_deref();
        if self.others.is_some() {
            element.extend(object::begin(session)?);
        }
        element.push(b'[');
        let mut unsettled = 0;
        for (n, (line, is_sent)) in self.frames.iter().enumerate() {
            element.extend(if n == 0 { "\n" } else { ",\n" }.as_bytes());
            entry::write_element(lines.get(*line)?, *is_sent, moved.as_mut(), &mut element);
            draft.write_all(&element)?;
            unsettled += element.len() as u64;
            if unsettled >= piece {
                draft.settle()?;
                unsettled = 0;
            }
            element.clear();
        }
        element.extend(b"\n]");
        if let Some(others) = &self.others {
            object::write_rest(others, session, lines, moved.as_mut(), &mut draft, &mut element)?;
        }
        element.push(b'\n');
        draft.write_all(&element)?;
        if piece < u64::MAX {
            draft.settle()?;
        }
        Ok(draft)
    }
}
