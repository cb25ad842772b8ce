//! State that all followed folders share.

use std::{collections::HashMap, os::unix::net::UnixStream, time::Duration};

use anyhow::Result;
use cht_core::{
    process::{report::Limited, signals},
    session::watch::Watch,
};

use crate::{args::Args, emit::Emitter, finished::Stamp, writers};

/// Shortest time between two messages about files that were written again.
const WRITTEN_AGAIN: Duration = Duration::from_secs(600);

/// State of one run, for all folders.
pub(super) struct Shared {
    pub emitter: Emitter,
    pub watch: Watch,
    /// Readable when the run is asked to end.
    pub stop: UnixStream,
    /// Rest after which a file counts as finished.
    pub settle: Duration,
    /// Age of the sessions that are left out.
    pub since: Option<Duration>,
    /// Files that were examined, whatever their names are now.
    pub known: HashMap<writers::Id, Stamp>,
    pub written_again: Limited,
}

impl Shared {
    /// Starts watching, and listening to signals.
    pub(super) fn new(args: &Args) -> Result<Self> {
        Ok(Self {
            emitter: Emitter::new(args.cache())?,
            watch: Watch::new(),
            stop: signals::stop_on_signal()?,
            settle: args.settle,
            since: args.since,
            known: HashMap::new(),
            written_again: Limited::new(WRITTEN_AGAIN),
        })
    }

    /// Returns whether the run was asked to end, or has no reader left.
    pub(super) fn is_stopped(&self) -> bool {
        self.emitter.is_closed() || signals::is_signalled(&self.stop)
    }
}
