//! The files of the session that is recorded, and the change to the next session.

use std::{fs::File, os::unix::net::UnixStream, rc::Rc, sync::mpsc::sync_channel};

use anyhow::Result;
use cht_core::{
    event::{Anchor, Listening},
    session::Session,
};

use super::{
    finalizer::{Begin, Finalizer},
    playlist_file::PlaylistFile,
    remove::discard_unused,
};
use crate::report::heartbeat::Heartbeat;

/// A session that was made ahead: no byte has to wait for its folders.
#[derive(Debug)]
pub(crate) struct NextSession {
    pub session: Session,
    /// Its lock.
    pub lock: File,
    pub playlist: PlaylistFile,
    pub listening: Listening,
}

/// Where the bytes of the recorded session go.
#[derive(Debug)]
pub(crate) struct SessionFiles {
    pub session: Session,
    pub finalizer: Finalizer,
    lock: File,
    pub next_seq: u64,
    pub connections: u32,
    /// Place on the recorder's line of time at which the session begins, in ticks.
    origin: i64,
}

impl SessionFiles {
    /// Opens the files of `session`, which continues after segment and connection of these numbers.
    pub(crate) fn open(
        session: Session,
        lock: File,
        (next_seq, connections): (u64, u32),
        finalizer: Finalizer,
    ) -> Self {
        Self { session, finalizer, lock, next_seq, connections, origin: 0 }
    }

    /// Returns an anchor on the recorder's line as one of the session.
    pub(crate) fn place(&self, anchor: Anchor) -> Anchor {
        Anchor { offset: anchor.offset - self.origin, ..anchor }
    }

    /// Goes on with the next session, which begins at tick `origin` of the recorder's line. The
    /// segments of this one are finished meanwhile, and the events of the next one wait for them.
    pub(crate) fn turn_over(
        &mut self,
        next: NextSession,
        origin: i64,
        stop: &UnixStream,
        heartbeat: &Rc<Heartbeat>,
    ) -> Result<()> {
        let NextSession { session, lock, playlist, listening } = next;
        let (end, ended) = sync_channel(1);
        let begin = (Begin::After(ended), self.finalizer.retains);
        let (stop, beat) = (stop.try_clone()?, Rc::clone(heartbeat));
        let started = Finalizer::start(session.clone(), playlist, begin, stop, beat)?;
        let (before, lock) = (
            std::mem::replace(&mut self.finalizer, started),
            std::mem::replace(&mut self.lock, lock),
        );
        heartbeat.events().hold();
        // The thread has failed otherwise, which the next segment finds.
        let _ = end.send(before.end(lock));
        (self.session, self.next_seq, self.connections) = (session, 1, 0);
        self.origin = origin;
        heartbeat.enter(self.session.name());
        heartbeat.events().emit(self.session.event(listening));
        Ok(())
    }

    /// Waits until all segments are closed.
    pub(crate) fn finish(self) -> Result<Ended> {
        let Self { session, finalizer, lock, .. } = self;
        finalizer.finish()?;
        Ok(Ended { session, lock })
    }
}

/// A session whose segments are closed, and which no other recorder can continue yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ended {
    session: Session,
    lock: File,
}

impl Ended {
    /// Leaves the session. One that got no byte leaves no folder. Where another session begins,
    /// that comes first: its name is a new one then.
    pub(crate) fn leave(self) {
        discard_unused(&self.session);
        drop(self.lock);
    }
}
