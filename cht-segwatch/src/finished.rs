//! Is a segment finished? cht-recv says so by its name; of other programs' files it has to be found out.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use cht_core::{
    clock, natural,
    record::Record,
    session::{Session, sequence},
};

/// What is a segment by its name, in a folder of other programs.
const EXTENSIONS: [&str; 4] = ["ts", "m2ts", "mts", "mpegts"];

/// The segments in a folder or a session, in natural order.
pub(crate) fn segments_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let named = || folder.display().to_string();
    if let Ok(session) = Session::open(folder) {
        let alive = session.is_recording();
        let mut segments = session.segments().with_context(named)?;
        if alive {
            // A segment is finished when it is in the record, a moment after it has got its name.
            let record = Record::of(&session);
            segments.retain(|path| sequence(path).is_some_and(|seq| record.get(seq).is_some()));
        }
        return Ok(segments);
    }
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(named)? {
        let path = entry.with_context(named)?.path();
        if is_segment(&path) {
            segments.push(path);
        }
    }
    segments.sort_by(|a, b| natural::compare(a, b));
    Ok(segments)
}

/// Whether a file of another program is a segment by its name.
pub(crate) fn is_segment(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|e| EXTENSIONS.contains(&e.to_ascii_lowercase().as_str()))
}

/// Whether cht-recv gave this segment its final name.
pub(crate) fn is_recorded(path: &Path) -> bool {
    sequence(path).is_some() && Session::of_segment(path).is_some()
}

/// Remembers sizes, to see whether files rest.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    sizes: HashMap<PathBuf, (u64, std::time::Instant)>,
}

impl Settling {
    /// How long the segment at `path` still has to rest until it counts as finished; zero if it has.
    pub(crate) fn remaining(&mut self, path: &Path, settle: Duration) -> Result<Duration> {
        let Ok(metadata) = path.metadata() else {
            bail!("{}: has gone; name segments that exist", path.display());
        };
        let now = clock::monotonic();
        let (size, since) = self.sizes.entry(path.to_owned()).or_insert((metadata.len(), now));
        if *size != metadata.len() {
            (*size, *since) = (metadata.len(), now);
        }
        // Either clock will do: we saw it rest, or it was last written long ago.
        let watched = now.saturating_duration_since(*since);
        let rested = watched.max(clock::age_of(path).unwrap_or_default());
        Ok(settle.saturating_sub(rested))
    }
}
