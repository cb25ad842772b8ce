//! Inputs that ffmpeg receives or fetches: started, watched, started again.
//!
//! Each run of ffmpeg that delivers is a connection. It begins with ffmpeg's first byte, not with its start.

use std::{
    cell::Cell,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use cht_core::{clock, ffmpeg::Program, report::Limited};
use rustix::event::{PollFd, PollFlags};

use crate::{
    place::Place,
    run::{Ended, Run},
    sender::Sender,
    source::Source,
};

/// The least time between two starts: of an ffmpeg that delivered, and at most, of one that never does.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// At most one message of a kind in this time.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// A place that ffmpeg opens, again and again.
#[derive(Debug)]
pub(crate) struct Fetch {
    program: Program,
    place: Place,
    realtime: bool,
    state: State,
    /// How the last run ended that was served.
    ended: Rc<Cell<Ended>>,
    interval: Duration,
    failures: Limited,
}

#[derive(Debug)]
enum State {
    /// No ffmpeg runs until then.
    Resting(Instant),
    /// It has not delivered yet.
    Starting(Box<Run>),
    /// Somebody else has it; it was started then.
    Served(Instant),
}

impl Fetch {
    /// Looks for an ffmpeg that can do it. It is started when there is a session to record into.
    pub(crate) fn prepare(place: Place, ffmpeg: &Path, realtime: bool) -> Result<Self> {
        let shown = place.shown();
        if place.is_finite() && !Path::new(shown).exists() {
            bail!(
                "--listen {shown}: no such file, and no URL that is received \
                 (tcp, tls, unix, udp, rtp, srt, rtmp, rtmps, rtsp, http, https, or - for stdin)"
            );
        }
        let program = Program::find(ffmpeg)?;
        let protocol = place.protocol();
        if !program.reads(protocol)? {
            bail!(
                "{shown}: {} was built without {protocol}; install one that has it \
                 (the ffmpeg packages of Debian, Ubuntu and Fedora do) or name it with --ffmpeg",
                ffmpeg.display()
            );
        }
        Ok(Self {
            program,
            place,
            realtime,
            state: State::Resting(clock::monotonic()),
            ended: Rc::default(),
            interval: LEAST_INTERVAL,
            failures: Limited::new(SAY_EVERY),
        })
    }

    fn start(&self, now: Instant) -> Result<Run> {
        let mut command = self.program.command();
        command.args(self.place.arguments(self.realtime));
        let veil = self.place.veil().clone();
        self.ended.set(Ended::Not);
        Run::start(command.as_inner(), veil, self.place.shown(), Rc::clone(&self.ended), now)
    }

    /// ffmpeg has ended before it delivered.
    fn failed(&mut self, run: Run, now: Instant) -> Result<()> {
        let started = run.started;
        let words = run.end();
        let shown = self.place.shown();
        let words = if words == crate::sender::END_OF_STREAM {
            "there was nothing in it".to_owned()
        } else {
            words
        };
        if self.place.is_finite() {
            return Err(anyhow!("{shown}: {words}"));
        }
        self.state = State::Resting(started + self.interval);
        let message = format_args!("{shown}: {words}; it is tried again, every 30 s at least");
        self.failures.note(now, message);
        self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
        Ok(())
    }
}

impl Source for Fetch {
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        if let State::Starting(run) = &self.state {
            descriptors.push(PollFd::new(run.output(), PollFlags::IN));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Resting(until) => Some(until),
            _ => None,
        }
    }

    fn vacant(&mut self, _now: Instant) {
        if let State::Served(started) = self.state {
            self.state = State::Resting(started + self.interval);
        }
    }

    fn admit(&mut self, now: Instant, _taken: bool) -> Result<Option<Sender>> {
        if let State::Resting(until) = self.state
            && until <= now
        {
            self.state = State::Starting(Box::new(self.start(now)?));
        }
        let State::Starting(run) = &self.state else { return Ok(None) };
        if run.has_delivered() {
            let served = State::Served(run.started);
            if let State::Starting(run) = std::mem::replace(&mut self.state, served) {
                self.interval = LEAST_INTERVAL;
                return Ok(Some(Sender::fetched(self.place.shown().to_owned(), run)));
            }
        } else if run.has_ended()
            && let State::Starting(run) = std::mem::replace(&mut self.state, State::Resting(now))
        {
            self.failed(*run, now)?;
        }
        Ok(None)
    }

    fn is_done(&self) -> bool {
        match self.ended.get() {
            // What is stored would be recorded once more.
            Ended::Well => self.place.is_stored(),
            Ended::Badly | Ended::Not => self.place.is_finite(),
        }
    }
}
