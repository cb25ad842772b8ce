//! `--session-time`: ends a session when its time is over, and makes the next one ahead, on a
//! thread of its own.
//!
//! The sender's bytes go to the session that is recorded until the next one is there, and then to
//! its next keyframe. So no byte waits for a folder, and a disk that refuses ends no recording.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, TryRecvError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cht_core::{
    event::Listening,
    process::{
        clock,
        report::{self, Limited},
    },
    session::{Session, segment_log::SegmentLog},
};

use crate::{
    record::{
        options::Plan, playlist_file::PlaylistFile, remove::discard_unused,
        session_files::NextSession,
    },
    session_time::{SessionEnd, SessionTime},
};

/// Time until the next session is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// Time that a session being made has at the end of the program.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Watches the time of the recorded session.
pub(crate) struct Turn {
    time: Option<SessionTime>,
    sessions: PathBuf,
    plan: Plan,
    listening: Listening,
    /// End of the recorded session.
    end: Option<SessionEnd>,
    /// Thread that makes the next one.
    making: Option<Receiver<Result<NextSession>>>,
    tried: Option<Instant>,
    trouble: Limited,
}

impl Turn {
    /// Watches sessions below `sessions`, which `listening` announces.
    pub(crate) fn new(
        time: Option<SessionTime>,
        sessions: &Path,
        plan: Plan,
        listening: Listening,
    ) -> Self {
        let (sessions, trouble) = (sessions.to_owned(), Limited::default());
        Self { time, sessions, plan, listening, end: None, making: None, tried: None, trouble }
    }

    /// Notes that a session begins.
    pub(crate) fn begun(&mut self) {
        self.tried = None;
        self.end = self.time.and_then(|time| time.end(clock::monotonic(), &clock::local()));
    }

    /// Returns whether the time of the recorded session is over.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some_and(|end| end.is_over(clock::monotonic(), clock::wall()))
    }

    /// Returns the next session if the recorded one is over, as soon as it is made.
    pub(crate) fn next(&mut self) -> Option<NextSession> {
        if let Some(making) = &self.making {
            let made = match making.try_recv() {
                Err(TryRecvError::Empty) => return None,
                made => made.context("the thread that makes the next session ended"),
            };
            self.making = None;
            let made = made.and_then(|made| made);
            return made.map_err(|error| self.complain(&error)).ok();
        }
        let now = clock::monotonic();
        let rests = self.tried.is_some_and(|tried| now < tried + TRY_AGAIN);
        if self.is_over() && !rests {
            self.tried = Some(now);
            self.making = self.make().map_err(|error| self.complain(&error)).ok();
        }
        None
    }

    fn complain(&mut self, error: &anyhow::Error) {
        self.trouble.warn(
            clock::monotonic(),
            format_args!(
                "{error:#}; the next session cannot be made, and this one is recorded meanwhile"
            ),
        );
    }

    /// Starts making the next session.
    fn make(&self) -> Result<Receiver<Result<NextSession>>> {
        let (sessions, plan, listening) =
            (self.sessions.clone(), self.plan, self.listening.clone());
        let (send, making) = channel();
        thread::Builder::new()
            .spawn(move || drop(send.send(make(&sessions, &plan, listening))))
            .context("a thread for the next session")?;
        Ok(making)
    }

    /// Removes the session that was made and is not needed. `next` was returned before.
    pub(crate) fn finish(self, next: Option<NextSession>) {
        let made = self.making.and_then(|making| clock::receive_within(&making, LAST_WAIT).ok());
        for unused in next.into_iter().chain(made.and_then(Result::ok)) {
            discard_unused(&unused.session);
        }
    }
}

fn make(sessions: &Path, plan: &Plan, listening: Listening) -> Result<NextSession> {
    let session = Session::create(sessions, None, &clock::local())?;
    let lock = session.lock()?;
    report::note(format_args!("the next session is {}", session.name()));
    let record = SegmentLog::default();
    let playlist =
        PlaylistFile::continuing(&session, &record, plan.segment_time, plan.retention.any());
    Ok(NextSession { session, lock, playlist, listening })
}
