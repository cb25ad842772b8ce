//! Waits for the journal of a session to grow, or for a session to begin.

use std::{io, os::fd::AsFd, path::Path, time::Duration};

use cht_core::session::{
    Session,
    watch::{Id, LOOK_AGAIN, Watch},
};

/// Watches from when it is made: what changes after that ends the next wait.
#[derive(Debug)]
pub(crate) struct Waiter {
    watch: Watch,
    look_again: Duration,
}

impl Waiter {
    /// Watches the journal of `session`, and names below the folder of the sessions.
    pub(crate) fn new(session: Option<&Session>, sessions: Option<&Path>) -> Self {
        let mut waiter = Self { watch: Watch::new(), look_again: LOOK_AGAIN };
        if let Some(session) = session {
            let path = session.index_journal();
            let journal = waiter.watch.add(&path);
            // Made later, or moved here by `mv`.
            let folder = waiter.watch.add_names(path.parent().unwrap_or(&path));
            waiter.heed(journal);
            waiter.heed(folder);
        }
        if let Some(sessions) = sessions {
            waiter.heed(waiter.watch.add_names(sessions));
        }
        waiter
    }

    fn heed(&mut self, added: io::Result<Id>) {
        // A path that is not there yet is looked for again and again.
        self.look_again = self.look_again.min(added.map_or(LOOK_AGAIN, Id::look_again));
    }

    /// Waits for a change, for at most `limit` and the time after which to look again.
    /// Ends early if `stop` becomes readable.
    pub(crate) fn wait(&self, stop: Option<&dyn AsFd>, limit: Duration) -> io::Result<()> {
        self.watch.wait(stop, limit.min(self.look_again)).map(drop)
    }
}
