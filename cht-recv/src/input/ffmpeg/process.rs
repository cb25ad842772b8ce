//! One run of ffmpeg, the output of which is recorded.

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
    clock, die_with_parent,
    ffmpeg::{FfmpegError, Process},
};
use rustix::event::{PollFd, PollFlags};

use super::{
    messages::{Messages, Surveyed},
    redact::Redactor,
    survey::Unfit,
};
use crate::{
    input::sender::{END_OF_STREAM, Received, Stream, Write, read},
    report::systemd,
};

/// Size of the pipe from ffmpeg, in bytes: the largest that an unprivileged process may ask for.
const PIPE: usize = 1 << 20;

/// Time that ffmpeg gets to end after it is asked to.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Outcome of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It runs, or was stopped by us.
    #[default]
    Not,
    /// It read its input to the end.
    Well,
    /// It failed.
    Badly,
}

/// A running ffmpeg. Dropping it asks it to end.
#[derive(Debug)]
pub(crate) struct FfmpegRun {
    process: Option<Process>,
    output: File,
    redactor: Redactor,
    surveyed: Surveyed,
    ended: Rc<Cell<Ended>>,
    pub started: Instant,
    /// Whether its output was checked and can be recorded.
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
        let (mut messages, surveyed) = Messages::of(shown, redactor.clone());
        let mut guarded = die_with_parent::guarded(command);
        // The service manager's requests are for cht-recv, not for ffmpeg.
        for variable in systemd::VARIABLES {
            guarded.env_remove(variable);
        }
        let mut process = Process::spawn(&mut guarded, move |line| messages.read(line))?;
        drop(process.stdin());
        let output = process.stdout().ok_or_else(|| anyhow!("ffmpeg has no stdout"))?;
        let output = File::from(OwnedFd::from(output));
        // A smaller pipe works as well.
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

    /// Returns its output.
    pub(crate) fn output(&self) -> &File {
        &self.output
    }

    /// Returns its streams that MPEG-TS cannot hold, as far as it has described them within
    /// `limit`.
    pub(crate) fn unfit(&self, limit: Duration) -> Vec<Unfit> {
        self.surveyed.unfit(limit)
    }

    /// Returns whether there is output to read.
    pub(crate) fn has_delivered(&self) -> bool {
        rustix::io::ioctl_fionread(&self.output).is_ok_and(|bytes| bytes > 0)
    }

    /// Returns whether its output has ended.
    pub(crate) fn has_ended(&self) -> bool {
        let mut descriptors = [PollFd::new(&self.output, PollFlags::IN)];
        let now = Some(clock::monotonic());
        clock::wait_ready(&mut descriptors, now).is_ok()
            && descriptors[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
            && !self.has_delivered()
    }

    /// Ends a run that delivered nothing, and returns the reason.
    pub(crate) fn end(mut self) -> String {
        self.reason()
    }

    /// Returns the reason why its output ended.
    pub(crate) fn reason(&mut self) -> String {
        let Some(mut process) = self.process.take() else { return END_OF_STREAM.to_owned() };
        // Its output is closed: anything else it does must not hold up the recorder.
        process.end_within(SHUTDOWN_GRACE);
        match process.finish() {
            Ok(()) => {
                self.ended.set(Ended::Well);
                END_OF_STREAM.to_owned()
            }
            Err(error @ FfmpegError::Failed { .. }) => {
                self.ended.set(Ended::Badly);
                // ffmpeg puts the level before each line.
                self.redactor.hide(&error.to_string().replace("[error] ", ""))
            }
            Err(error) => error.to_string(),
        }
    }

    /// Kills it: its output is not wanted.
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

    /// Asks ffmpeg to end, and records what it still writes.
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
