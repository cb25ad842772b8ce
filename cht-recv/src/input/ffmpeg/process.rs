//! One run of ffmpeg, whose output is recorded.

use std::{
    cell::Cell,
    fs::File,
    os::fd::OwnedFd,
    process::Command,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use cht_core::process::{
    clock,
    ffmpeg::{FfmpegError, Process},
};
use rustix::event::{PollFd, PollFlags};

use super::{
    die_with_parent,
    messages::{Messages, Surveyed},
    redact::Redactor,
    survey::Unfit,
};
use crate::input::sender::{END_OF_STREAM, Received, Stream, Write, read};

/// What the pipe from ffmpeg holds: the largest that anybody may ask for.
const PIPE: usize = 1 << 20;

/// How long an ffmpeg that was asked to end may take for its farewells.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// How a run has ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was stopped by us, or runs.
    #[default]
    Not,
    /// It read all there was.
    Well,
    /// It failed.
    Badly,
}

/// A running ffmpeg. It is asked to end when it is dropped.
#[derive(Debug)]
pub(crate) struct FfmpegRun {
    process: Option<Process>,
    output: File,
    redactor: Redactor,
    surveyed: Surveyed,
    ended: Rc<Cell<Ended>>,
    pub started: Instant,
    /// Whether its output was found fit to be recorded.
    pub judged: bool,
}

impl FfmpegRun {
    /// Starts ffmpeg on `shown`.
    pub(crate) fn start(
        command: &Command,
        redactor: Redactor,
        shown: &str,
        ended: Rc<Cell<Ended>>,
        now: Instant,
    ) -> Result<Self> {
        let (mut words, surveyed) = Messages::of(shown, redactor.clone());
        let mut process =
            Process::spawn(&mut die_with_parent::guarded(command), move |line| words.hear(line))?;
        drop(process.stdin());
        let output = process.stdout().ok_or_else(|| anyhow!("ffmpeg has no stdout"))?;
        let output = File::from(OwnedFd::from(output));
        // A smaller one does as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE);
        Ok(Self {
            process: Some(process),
            output,
            redactor,
            surveyed,
            ended,
            started: now,
            judged: false,
        })
    }

    /// What it writes.
    pub(crate) fn output(&self) -> &File {
        &self.output
    }

    /// The streams of its output that a transport stream cannot hold, as far as it has described them within `limit`.
    pub(crate) fn unfit(&self, limit: Duration) -> Vec<Unfit> {
        self.surveyed.unfit(limit)
    }

    /// Whether there is something to read.
    pub(crate) fn has_delivered(&self) -> bool {
        rustix::io::ioctl_fionread(&self.output).is_ok_and(|bytes| bytes > 0)
    }

    /// Whether it will write no more.
    pub(crate) fn has_ended(&self) -> bool {
        let mut descriptors = [PollFd::new(&self.output, PollFlags::IN)];
        let now = Some(clock::monotonic());
        clock::wait_ready(&mut descriptors, now).is_ok()
            && descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
            && !self.has_delivered()
    }

    /// Its output has ended: why.
    pub(crate) fn end(mut self) -> String {
        self.reason()
    }

    /// As [`Self::end`], for one whose output was read to the end.
    pub(crate) fn reason(&mut self) -> String {
        let Some(mut process) = self.process.take() else { return END_OF_STREAM.to_owned() };
        // Its output is closed; whatever it does besides must not hold up the recorder.
        process.end_within(SHUTDOWN_GRACE);
        match process.finish() {
            Ok(()) => {
                self.ended.set(Ended::Well);
                END_OF_STREAM.to_owned()
            }
            Err(error @ FfmpegError::Failed { .. }) => {
                self.ended.set(Ended::Badly);
                // The level that ffmpeg puts before each line.
                self.redactor.hide(&error.to_string().replace("[error] ", ""))
            }
            Err(error) => error.to_string(),
        }
    }

    /// Ends it at once: nothing of its output is wanted.
    pub(crate) fn discard(mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }
}

impl Stream for FfmpegRun {
    fn receive<'a>(&'a mut self, buffer: &'a mut [u8]) -> Received<'a> {
        let read = match read(&mut &self.output, buffer) {
            Err(end) if end == END_OF_STREAM => Err(self.reason()),
            read => read,
        };
        Received::of(read, buffer)
    }

    /// Asks ffmpeg to end, and takes what it still writes.
    fn finish(&mut self, buffer: &mut [u8], record: &mut Write<'_>) -> Result<()> {
        if let Some(process) = &self.process {
            process.ask_to_end();
        }
        let limit = clock::monotonic() + SHUTDOWN_GRACE;
        while clock::monotonic() < limit {
            let mut descriptors = [self.interest()];
            clock::wait_ready(&mut descriptors, Some(limit))?;
            if descriptors[0].revents().is_empty() {
                continue;
            }
            match read(&mut &self.output, buffer) {
                Ok(count) => record(&buffer[..count])?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn interest(&self) -> PollFd<'_> {
        PollFd::new(&self.output, PollFlags::IN)
    }
}

impl Drop for FfmpegRun {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.ask_to_end();
            process.end_within(SHUTDOWN_GRACE);
        }
    }
}
