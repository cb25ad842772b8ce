//! Starts a session: creates or continues it, adopts what killed recorders left, and waits for a
//! disk that refuses.

use std::{os::unix::net::UnixStream, rc::Rc};

use anyhow::Result;
use cht_core::{
    event::Listening,
    process::{clock, report},
    session::Session,
};

use crate::{
    args::Args,
    disk,
    record::{options::Plan, recorder::Recorder, recover::recover_others, retention::Retention},
    report::heartbeat::Heartbeat,
};

/// Starts the sessions of this process.
pub(crate) struct SessionStarter<'a> {
    args: &'a Args,
    plan: Plan,
    /// Verb for the input's address.
    verb: &'static str,
    listening: Listening,
    stop: &'a UnixStream,
    heartbeat: Rc<Heartbeat>,
}

impl<'a> SessionStarter<'a> {
    /// Starts sessions for senders that `listening` names.
    pub(crate) fn new(
        args: &'a Args,
        plan: Plan,
        verb: &'static str,
        listening: Listening,
        stop: &'a UnixStream,
        heartbeat: Rc<Heartbeat>,
    ) -> Self {
        Self { args, plan, verb, listening, stop, heartbeat }
    }

    /// Starts a session. Waits while the disk refuses; with retention, a full disk makes room for
    /// itself. `at_start` of the program, a wrong folder is an error at once.
    pub(crate) fn start(&self, at_start: bool) -> Result<Recorder> {
        let limits = self.plan.retention;
        let mut retention = limits.any().then(|| {
            let events = self.heartbeat.events().clone();
            Retention::new(limits, self.args.sessions.clone(), None, events)
        });
        let (mut session, mut said, mut tries) = (None, false, 0);
        loop {
            let error = match self.try_start(&mut session) {
                Err(error) if disk::may_pass(&error, at_start) => error,
                Err(error) if disk::was_read_only(&error) && tries < disk::START_TRIES => error,
                result => return result,
            };
            tries += 1;
            if disk::was_full(&error)
                && retention.as_mut().is_some_and(|retention| retention.make_room(None))
            {
                continue;
            }
            if !std::mem::replace(&mut said, true) {
                let remedy = if disk::was_full(&error) {
                    "; no sender is accepted until there is room (remove something, or stop cht-recv)"
                } else {
                    "; no sender is accepted until the disk takes it (mend it, or stop cht-recv)"
                };
                report::warn(format_args!("{error:#}{remedy}"));
            }
            if !disk::wait(self.stop) {
                return Err(error);
            }
            self.heartbeat.beat(clock::monotonic());
        }
    }

    /// Starts `session`, which is created first if there is none yet.
    fn try_start(&self, session: &mut Option<Session>) -> Result<Recorder> {
        let Args { sessions, session_id, .. } = self.args;
        let session = if let Some(session) = session {
            session.clone()
        } else {
            let created = Session::create(sessions, session_id.as_deref(), &clock::local())?;
            session.insert(created).clone()
        };
        let lock = session.lock()?;
        let largest = self.plan.bounds.adopted_bytes();
        recover_others(sessions, &session, largest, self.heartbeat.events())?;
        let recorder =
            Recorder::new(session, lock, self.stop, &self.plan, Rc::clone(&self.heartbeat))?;
        let (name, address) = (recorder.session().name(), &self.listening.address);
        report::note(format_args!("recording into {name}, {} {address}", self.verb));
        recorder.listening(self.listening.clone());
        Ok(recorder)
    }
}
