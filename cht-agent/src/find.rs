//! Finds frames in the journal.

use anyhow::{Context as _, Result};
use cht_core::event::Frame;

use crate::store::{
    journal::Journal,
    line::{self, Kind},
};

/// Returns the frame `id`.
pub(crate) fn by_id(journal: &mut Journal, id: &str) -> Result<Frame> {
    let mut found = None;
    journal.each_line(0, |line, _, _| {
        if line::kind(line) == Kind::Frame && line::id(line).is_some_and(|known| known == id) {
            // The last line of an id counts.
            found = Some(line.to_vec());
        }
        true
    })?;
    let frame = found.and_then(|line| journal.frame(&line));
    frame.with_context(|| format!("{id}: no such frame in {}", journal.session.name()))
}
