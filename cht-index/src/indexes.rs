//! The open indexes: few at once, however many sessions pass by; and waiting for a disk that refuses.

use std::{
    collections::HashSet,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use cht_core::{clock, ndjson::Writer, report};
use rustix::io::Errno;

use crate::index::Index;

/// Indexes that are open at the same time. Each holds its frames in memory, and one descriptor.
const OPEN: usize = 16;

/// How long until a disk that refuses is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Errors of a disk that has no room.
const FULL: [Errno; 2] = [Errno::NOSPC, Errno::DQUOT];

/// Errors of a disk, or of the system, that may pass.
const PASSING: [Errno; 11] = [
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::ROFS,
    Errno::IO,
    Errno::STALE,
    Errno::TIMEDOUT,
    Errno::UCLEAN,
    Errno::NOTCONN,
    Errno::NOMEM,
    Errno::MFILE,
    Errno::NFILE,
];

/// Indexes by their path, the one that was used last at the end.
#[derive(Debug)]
pub(crate) struct Indexes {
    overwrite: bool,
    open: Vec<(PathBuf, Index)>,
    /// Those that `--overwrite` has begun anew: not again when they are opened the next time.
    begun: HashSet<PathBuf>,
}

/// An index that could not be written.
#[derive(Debug)]
pub(crate) struct Failed {
    pub path: PathBuf,
    pub error: anyhow::Error,
}

impl Indexes {
    pub(crate) fn new(overwrite: bool) -> Self {
        Self { overwrite, open: Vec::new(), begun: HashSet::new() }
    }

    /// Returns the index at `path`, opened if it is not. For that, the one that was used longest ago may be closed.
    pub(crate) fn get(
        &mut self,
        path: &Path,
        output: &mut Writer<impl Write>,
    ) -> Result<&mut Index, Failed> {
        if let Some(at) = self.open.iter().position(|(open, _)| open == path) {
            self.open[at..].rotate_left(1);
        } else {
            if self.open.len() == OPEN {
                let (path, mut oldest) = self.open.remove(0);
                insist(&path, &PASSING, output, || oldest.finish())?;
            }
            let overwrite = self.overwrite && !self.begun.contains(path);
            let index = insist(path, &FULL, output, || Index::open(path, overwrite))?;
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

    /// Makes durable what was added to any of them. Returns those that cannot be written, which are closed.
    pub(crate) fn commit(&mut self, output: &mut Writer<impl Write>) -> Vec<Failed> {
        self.write(output, Index::commit)
    }

    /// Does the same for the last time.
    pub(crate) fn finish(&mut self, output: &mut Writer<impl Write>) -> Vec<Failed> {
        self.write(output, Index::finish)
    }

    fn write(
        &mut self,
        output: &mut Writer<impl Write>,
        action: impl Fn(&mut Index) -> Result<()>,
    ) -> Vec<Failed> {
        let mut failed = Vec::new();
        self.open.retain_mut(|(path, index)| {
            let written = insist(path, &PASSING, output, || action(index));
            written.map_err(|error| failed.push(error)).is_ok()
        });
        failed
    }
}

/// Does what a disk may refuse until it does not; the refusal is said once.
fn insist<T>(
    path: &Path,
    passing: &[Errno],
    output: &mut Writer<impl Write>,
    mut action: impl FnMut() -> Result<T>,
) -> Result<T, Failed> {
    let mut refused = false;
    loop {
        match action() {
            Err(error) if is_one_of(&error, passing) => {
                if !refused {
                    let message = format!("{error:#}; waiting until the disk takes it");
                    // A stdout that fails is noticed with the next event.
                    let _ = output.fail(None, "disk", &message, path.to_str());
                }
                refused = true;
                clock::rest(TRY_AGAIN);
            }
            result => {
                if refused && result.is_ok() {
                    report::note(format_args!("{}: the disk takes it again", path.display()));
                }
                return result.map_err(|error| Failed { path: path.to_owned(), error });
            }
        }
    }
}

/// Whether an error comes from one of these errors of the system.
fn is_one_of(error: &anyhow::Error, errnos: &[Errno]) -> bool {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        let of_io = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        of_io.or_else(|| cause.downcast_ref::<Errno>().map(|errno| errno.raw_os_error()))
    };
    let codes: Vec<i32> = error.chain().filter_map(code).collect();
    errnos.iter().any(|errno| codes.contains(&errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn refusal_is_tried_again_and_said_once() {
        let mut output = Writer::new(Vec::new());
        let mut tries = 0;
        let done = insist(Path::new("/s/index.json"), &PASSING, &mut output, || {
            tries += 1;
            if tries == 3 {
                return Ok(tries);
            }
            let error = io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());
            Err(error).context("/s/index.json")
        });
        assert_eq!(done.unwrap(), 3);
        let refused = || Err::<(), _>(io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error()));
        let done = insist(Path::new("/s"), &PASSING, &mut output, || Ok(refused()?));
        assert!(done.is_err());
    }
}
