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
use cht_core::process::{
    clock,
    ffmpeg::Program,
    report::{self, Limited},
};
use rustix::event::{PollFd, PollFlags};

use super::{
    input::{FfmpegInput, Way},
    process::{Ended, FfmpegRun},
    survey::{self, Unfit, Why},
};
use crate::input::{options::FfmpegOptions, sender::Sender, source::Source};

/// The least time between two starts: of an ffmpeg that delivered, and at most, of one that never does.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// How long the description of a file is waited for, before there is a session.
const LOOK: Duration = Duration::from_secs(10);

/// How long the description of an output is waited for that delivers already.
const DESCRIBE: Duration = Duration::from_millis(500);

/// A place that ffmpeg opens, again and again.
#[derive(Debug)]
pub(crate) struct FfmpegSource {
    program: Program,
    place: FfmpegInput,
    realtime: bool,
    /// Whether what a transport stream cannot hold is encoded.
    transcode: bool,
    /// Streams that are encoded.
    encoded: Vec<Unfit>,
    /// Whether something was delivered that can be recorded.
    has_served: bool,
    complaint: Option<String>,
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
    Starting(Box<FfmpegRun>),
    /// Somebody else has it; it was started then.
    Served(Instant),
}

impl FfmpegSource {
    /// Looks for an ffmpeg that can do it. It is started when there is a session to record into.
    /// What a file holds is looked at before that.
    pub(crate) fn prepare(place: FfmpegInput, options: &FfmpegOptions) -> Result<Self> {
        let shown = place.shown();
        if place.is_finite() && !Path::new(shown).exists() {
            bail!(
                "{shown}: no such file, and no URL that is received \
                 (tcp, tls, unix, udp, rtp, srt, rtmp, rtmps, rtsp, http, https, or - for stdin)"
            );
        }
        if place.is_finite() && Path::new(shown).is_dir() {
            bail!("{shown}: is a folder; name a file, once for each");
        }
        let program = Program::find(&options.ffmpeg)?;
        let protocol = place.protocol();
        if !program.reads(protocol)? {
            bail!(
                "{shown}: {} was built without {protocol}; install one that has it \
                 (the ffmpeg packages of Debian, Ubuntu and Fedora do) or name it with --ffmpeg",
                options.ffmpeg.display()
            );
        }
        let mut fetch = Self {
            program,
            place,
            realtime: options.realtime,
            transcode: options.transcode,
            encoded: Vec::new(),
            has_served: false,
            complaint: None,
            state: State::Resting(clock::monotonic()),
            ended: Rc::default(),
            interval: LEAST_INTERVAL,
            failures: Limited::default(),
        };
        if fetch.place.is_finite() {
            let now = clock::monotonic();
            let run = Box::new(fetch.start(now)?);
            if let Some(run) = fetch.judge(run, LOOK, now)? {
                fetch.state = State::Starting(run);
            }
        }
        Ok(fetch)
    }

    /// A run whose output can be recorded. What a transport stream cannot hold ends the run: it is encoded by the next
    /// one, or it is an error. `limit` is for ffmpeg's description of its output.
    fn judge(
        &mut self,
        mut run: Box<FfmpegRun>,
        limit: Duration,
        now: Instant,
    ) -> Result<Option<Box<FfmpegRun>>> {
        if std::mem::replace(&mut run.judged, true) {
            return Ok(Some(run));
        }
        let mut unfit = run.unfit(limit);
        let is_new = |unfit: &Unfit| !self.encoded.iter().any(|known| known.is_same_stream(unfit));
        if self.transcode {
            unfit.retain(is_new);
            if unfit.is_empty() {
                return Ok(Some(run));
            }
            for stream in &unfit {
                self.say(stream, "it is encoded anew");
            }
            self.encoded.extend(unfit);
            run.discard();
            self.state = State::Resting(now);
            return Ok(None);
        }
        let Some(stream) = unfit.iter().find(|stream| matches!(stream.why, Why::Codec(_))) else {
            for stream in &unfit {
                self.say(stream, "pictures lie on their side (--transcode turns them)");
            }
            return Ok(Some(run));
        };
        let message = format!(
            "{}: {stream}, which MPEG-TS cannot hold; nothing could decode the recording (--transcode encodes it anew)",
            self.place.shown()
        );
        if self.has_served || self.place.way() == Way::Listens {
            // Whoever sends this must not end the recorder.
            self.complaint = Some(message);
            run.discard();
            self.state = State::Resting(now + self.interval);
            self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
            return Ok(None);
        }
        run.discard();
        Err(anyhow!(message))
    }

    fn say(&self, stream: &Unfit, then: &str) {
        let shown = self.place.shown();
        report::note(format_args!("{shown}: {stream}, which MPEG-TS cannot hold; {then}"));
    }

    fn start(&self, now: Instant) -> Result<FfmpegRun> {
        let mut command = self.program.command();
        let encoding = survey::encoding(&self.encoded);
        command.args(self.place.arguments(self.realtime, &encoding));
        let redactor = self.place.redactor().clone();
        self.ended.set(Ended::Not);
        FfmpegRun::start(
            command.as_inner(),
            redactor,
            self.place.shown(),
            Rc::clone(&self.ended),
            now,
        )
    }

    /// ffmpeg has ended before it delivered.
    fn failed(&mut self, run: FfmpegRun, now: Instant) -> Result<()> {
        let started = run.started;
        let words = run.end();
        let shown = self.place.shown();
        let words = if words == crate::input::sender::END_OF_STREAM {
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

impl Source for FfmpegSource {
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
            if let State::Starting(run) = std::mem::replace(&mut self.state, served)
                && let Some(run) = self.judge(run, DESCRIBE, now)?
            {
                self.interval = LEAST_INTERVAL;
                self.has_served = true;
                return Ok(Some(Sender { peer: self.place.shown().to_owned(), stream: run }));
            }
        } else if run.has_ended()
            && let State::Starting(run) = std::mem::replace(&mut self.state, State::Resting(now))
        {
            self.failed(*run, now)?;
        }
        Ok(None)
    }

    fn complaint(&mut self) -> Option<(&'static str, String)> {
        self.complaint.take().map(|message| ("codec", message))
    }

    fn is_done(&self) -> bool {
        match self.ended.get() {
            // What is stored would be recorded once more.
            Ended::Well => self.place.is_stored(),
            Ended::Badly | Ended::Not => self.place.is_finite(),
        }
    }
}
