//! The open indexes: few at once, for any number of sessions. Waits for a disk that refuses.

use std::{
    collections::HashSet,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    args::Format,
    index::{Index, refusal},
    output::Output,
};
use anyhow::Result;
use cht_core::{
    process::{clock, report},
    storage::{
        disk_error::may_pass,
        patience::{Patience, Turn},
    },
};

/// Limit of open indexes. Each holds places of its frames in memory, and one descriptor.
const OPEN: usize = 16;

/// Indexes by path, the most recently used one last.
#[derive(Debug)]
pub(crate) struct Indexes {
    overwrite: bool,
    /// Index that the command line names: the only one that `--overwrite` starts over then.
    given: Option<PathBuf>,
    format: Option<Format>,
    open: Vec<(PathBuf, Index)>,
    /// Indexes that `--overwrite` has started over, so that reopening them does not.
    begun: HashSet<PathBuf>,
    patience: Patience,
}

/// An index that could not be written.
#[derive(Debug)]
pub(crate) struct Failed {
    pub path: PathBuf,
    pub error: anyhow::Error,
}

impl Indexes {
    pub(crate) fn new(overwrite: bool, given: Option<PathBuf>, format: Option<Format>) -> Self {
        let patience = Patience::default();
        Self { overwrite, given, format, open: Vec::new(), begun: HashSet::new(), patience }
    }

    /// Returns the path of the index that the command line names.
    pub(crate) fn given(&self) -> Option<&Path> {
        self.given.as_deref()
    }

    /// Returns the index at `path`, and opens it if necessary. For that, the least recently used
    /// one may be closed.
    pub(crate) fn get(
        &mut self,
        path: &Path,
        output: &mut Output<impl Write>,
    ) -> Result<&mut Index, Failed> {
        if let Some(at) = self.open.iter().position(|(open, _)| open == path) {
            self.open[at..].rotate_left(1);
        } else {
            if self.open.len() == OPEN {
                let (path, mut oldest) = self.open.remove(0);
                insist(&mut self.patience, &path, At::Work, output, || oldest.finish())?;
                output.counters.progressed(oldest.take_progress());
            }
            let is_meant = self.given.as_ref().is_none_or(|given| given == path);
            let overwrite = self.overwrite && is_meant && !self.begun.contains(path);
            let format = self.format;
            let open = || Index::open(path, overwrite, format, clock::monotonic());
            let index = insist(&mut self.patience, path, At::Start, output, open)?;
            if self.overwrite {
                self.begun.insert(path.to_owned());
            }
            self.open.push((path.to_owned(), index));
        }
        match self.open.last_mut() {
            Some((_, index)) => Ok(index),
            None => unreachable!("it was put there"),
        }
    }

    /// Makes additions to all indexes durable, and writes each `index.json` that is due. Returns
    /// the indexes that cannot be written, which are closed.
    pub(crate) fn commit(&mut self, output: &mut Output<impl Write>) -> Vec<Failed> {
        self.write(output, |index| index.commit(clock::monotonic()))
    }

    /// Returns the time until an index has to be committed; `None` if none is open.
    pub(crate) fn wait(&mut self) -> Option<Duration> {
        let now = clock::monotonic();
        self.open.iter_mut().map(|(_, index)| index.wait(now)).min()
    }

    /// Does the same for the last time.
    pub(crate) fn finish(&mut self, output: &mut Output<impl Write>) -> Vec<Failed> {
        self.write(output, Index::finish)
    }

    fn write(
        &mut self,
        output: &mut Output<impl Write>,
        action: impl Fn(&mut Index) -> Result<()>,
    ) -> Vec<Failed> {
        let mut failed = Vec::new();
        self.open.retain_mut(|(path, index)| {
            let patience = &mut self.patience;
            let written = insist(patience, path, At::Work, output, || action(index));
            output.counters.progressed(index.take_progress());
            written.map_err(|error| failed.push(error)).is_ok()
        });
        failed
    }
}

/// Phase in which a disk refuses: when an index is opened, a disk that stays read-only is an error.
#[derive(Debug, Clone, Copy)]
enum At {
    Start,
    Work,
}

/// Repeats `action` until the disk accepts it.
fn insist<T>(
    patience: &mut Patience,
    path: &Path,
    at: At,
    output: &mut Output<impl Write>,
    mut action: impl FnMut() -> Result<T>,
) -> Result<T, Failed> {
    let attempt = || match action() {
        Err(error) => refusal(&error).filter(may_pass).map_or(Ok(Err(error)), Err),
        done => Ok(done),
    };
    let tell = |turn: Turn<'_>| match turn {
        Turn::Refuses(error) => {
            let message = format!(
                "{}: {error}; it waits until the disk serves again (remove something, or stop it)",
                path.display()
            );
            // The next event notices a stdout that fails.
            let _ = output.fail(None, "disk", &message, path.to_str());
        }
        Turn::Serves => {
            report::note(format_args!("{}: the disk serves again; it goes on", path.display()));
        }
    };
    let done = match at {
        At::Start => patience.insist_at_start(attempt, tell),
        At::Work => patience.insist(attempt, tell),
    };
    let done = done.unwrap_or_else(|error| Err(error.into()));
    done.map_err(|error| Failed { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::io;

    use anyhow::Context as _;
    use cht_core::ndjson::Writer;
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn refusal_is_retried_and_reported_once() {
        let (mut output, mut patience) =
            (Output::new(Writer::new(Vec::new())), Patience::default());
        let (path, mut tries) = (Path::new("/s/index.json"), 0);
        let done = insist(&mut patience, path, At::Work, &mut output, || {
            tries += 1;
            if tries == 3 {
                return Ok(tries);
            }
            let error = io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());
            Err(error).context("/s/index.json")
        });
        assert_eq!(done.unwrap(), 3);
        assert_eq!(output.counters.errors(), 1);
        let mistake = || Err::<(), _>(io::Error::from(Errno::ACCESS).into());
        assert!(insist(&mut patience, path, At::Work, &mut output, mistake).is_err());
    }
}
