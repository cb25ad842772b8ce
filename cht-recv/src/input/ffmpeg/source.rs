//! An input that ffmpeg receives or fetches: started, watched, started again.
//!
//! Each run of ffmpeg that delivers is a connection. It begins with ffmpeg's first byte, not with
//! its start.

use std::{
    cell::Cell,
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow, bail};
use cht_core::{
    mp4,
    process::{
        clock,
        ffmpeg::Program,
        report::{self, Limited},
    },
    storage::regular,
};
use rustix::event::{PollFd, PollFlags};

use super::{
    input::{FfmpegInput, Way},
    messages::cause,
    process::{Ended, FfmpegRun},
    survey::{self, Unfit, Why},
};
use crate::input::{options::FfmpegOptions, sender::Sender, source::Source};

/// Shortest time between two starts, and the longest, for an ffmpeg that never delivers.
const LEAST_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_INTERVAL: Duration = Duration::from_secs(30);

/// ffmpeg's words for an MP4 whose index, which is written last, is missing.
const NO_INDEX: &str = "moov atom not found";

/// Time to wait for the description of a file, before there is a session.
const LOOK: Duration = Duration::from_secs(10);

/// Time to wait for the description of an output that already delivers.
const DESCRIBE: Duration = Duration::from_millis(500);

/// An input that ffmpeg opens again and again.
#[derive(Debug)]
pub(crate) struct FfmpegSource {
    program: Program,
    input: FfmpegInput,
    rules: Rules,
    /// The streams that are encoded.
    encoded: Vec<Unfit>,
    /// Whether a run has delivered a stream that can be recorded.
    has_served: bool,
    complaint: Option<String>,
    state: State,
    /// Outcome of the last run that was served.
    ended: Rc<Cell<Ended>>,
    interval: Duration,
    failures: Limited,
}

/// How the input is read.
#[derive(Debug)]
struct Rules {
    /// Whether it is read no faster than it plays.
    realtime: bool,
    /// Whether streams that MPEG-TS cannot hold are encoded.
    transcode: bool,
    /// Whether stored data that cannot be read ends the input.
    gives_up: bool,
}

#[derive(Debug)]
enum State {
    /// ffmpeg starts at this time.
    Resting(Instant),
    /// ffmpeg has not delivered yet.
    Starting(Box<FfmpegRun>),
    /// A run is being served; it was started at this time.
    Served(Instant),
}

impl FfmpegSource {
    /// Finds an ffmpeg that supports the input. It starts when there is a session; a file is
    /// examined before that. With `once`, a server that has none of it ends the input, too.
    pub(crate) fn prepare(input: FfmpegInput, options: &FfmpegOptions, once: bool) -> Result<Self> {
        let shown = input.shown();
        if input.is_finite() && !Path::new(shown).exists() {
            bail!(
                "{shown}: no such file, and no URL that is received \
                 (tcp, tls, unix, udp, rtp, srt, rtmp, rtmps, rtsp, http, https, or - for stdin)"
            );
        }
        if input.is_finite() && Path::new(shown).is_dir() {
            bail!("{shown}: is a folder; name a file, once for each");
        }
        let program = Program::find(&options.ffmpeg)?;
        let protocol = input.protocol();
        if !program.reads(protocol)? {
            bail!(
                "{shown}: {} was built without {protocol}; install one that has it \
                 (the ffmpeg packages of Debian, Ubuntu and Fedora do) or name it with --ffmpeg",
                options.ffmpeg.display()
            );
        }
        let mut fetch = Self {
            program,
            rules: Rules {
                realtime: options.realtime,
                transcode: options.transcode,
                gives_up: input.is_finite() || once && input.is_stored(),
            },
            input,
            encoded: Vec::new(),
            has_served: false,
            complaint: None,
            state: State::Resting(clock::monotonic()),
            ended: Rc::default(),
            interval: LEAST_INTERVAL,
            failures: Limited::default(),
        };
        if fetch.input.is_finite() {
            if let Some(hidden) = hidden_of(Path::new(fetch.input.shown())) {
                report::caution(format_args!("{}: {hidden}", fetch.input.shown()));
            }
            let now = clock::monotonic();
            let run = Box::new(fetch.start(now)?);
            if let Some(run) = fetch.judge(run, LOOK, now)? {
                fetch.state = State::Starting(run);
            }
        }
        Ok(fetch)
    }

    /// Returns the run if its output can be recorded. A stream that MPEG-TS cannot hold ends the
    /// run: the next run encodes it, or it is an error. `limit` is the time for ffmpeg's
    /// description of its output.
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
        if self.rules.transcode {
            unfit.retain(is_new);
            if unfit.is_empty() {
                return Ok(Some(run));
            }
            for stream in &unfit {
                self.say(stream, "it is re-encoded");
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
            "{}: {stream}, which MPEG-TS cannot hold; nothing could decode the recording (--transcode re-encodes it)",
            self.input.shown()
        );
        if self.has_served || self.input.way() == Way::Listens {
            // A sender of such a stream must not end the recorder.
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
        let shown = self.input.shown();
        report::note(format_args!("{shown}: {stream}, which MPEG-TS cannot hold; {then}"));
    }

    fn start(&self, now: Instant) -> Result<FfmpegRun> {
        let mut command = self.program.command();
        let encoding = survey::encoding(&self.encoded);
        command.args(self.input.arguments(self.rules.realtime, &encoding));
        let redactor = self.input.redactor().clone();
        self.ended.set(Ended::Not);
        FfmpegRun::start(
            command.as_inner(),
            redactor,
            self.input.shown(),
            Rc::clone(&self.ended),
            now,
        )
    }

    /// Handles an ffmpeg that ended before it delivered.
    fn failed(&mut self, run: FfmpegRun, now: Instant) -> Result<()> {
        let started = run.started;
        let reason = run.end();
        let shown = self.input.shown();
        let reason = if reason == crate::input::sender::END_OF_STREAM {
            "there was nothing in it"
        } else {
            cause(&reason, shown)
        };
        if self.rules.gives_up {
            let hint = if reason.contains(NO_INDEX) {
                ": the file was cut or is still being written; take a whole copy"
            } else {
                ""
            };
            return Err(anyhow!("{shown}: {reason}; nothing was taken of it{hint}"));
        }
        self.state = State::Resting(started + self.interval);
        let hint = self.input.hint();
        let message =
            format_args!("{shown}: {reason}; it is tried again, every 30 s at least{hint}");
        self.failures.note(now, message);
        self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
        Ok(())
    }
}

/// Returns what the edit list of an MP4 hides from players, in words. The recording has it.
fn hidden_of(path: &Path) -> Option<String> {
    mp4::of_file(&regular::open(path).ok()?).ok().flatten()?.hidden_in_words()
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
                return Ok(Some(Sender { peer: self.input.shown().to_owned(), stream: run }));
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
            // Stored data would be recorded a second time.
            Ended::Well => self.input.is_stored(),
            Ended::Badly | Ended::Not => self.input.is_finite(),
        }
    }
}
