//! Entry point of the fuzz target: an index and its journal in any state that a program may have
//! left.

use std::path::Path;

use anyhow::Result;
use cht_core::process::clock;

use crate::index::Index;

/// Opens the index at `path`, marks a frame and ends.
///
/// # Errors
///
/// If the index is refused, or the disk refuses.
pub fn index(path: &Path) -> Result<()> {
    let now = clock::monotonic();
    let mut index = Index::open(path, false, None, now)?;
    index.mark("F000001");
    index.commit(now)?;
    index.finish()
}
