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
use cht_core::{
    clock,
    ffmpeg::{FfmpegError, Process},
    report::Limited,
};
use rustix::event::{PollFd, PollFlags};

use crate::{guard, sender::END_OF_STREAM, veil::Veil};

/// What the pipe from ffmpeg holds: the largest that anybody may ask for.
const PIPE: usize = 1 << 20;

/// How long an ffmpeg that was asked to end may take for its farewells.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// At most one message of a kind in this time.
const SAY_EVERY: Duration = Duration::from_secs(10);

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
pub(crate) struct Run {
    process: Option<Process>,
    output: File,
    veil: Veil,
    ended: Rc<Cell<Ended>>,
    pub started: Instant,
}

impl Run {
    /// Starts ffmpeg, and says meanwhile whom it sends away from `shown`.
    pub(crate) fn start(
        command: &Command,
        veil: Veil,
        shown: &str,
        ended: Rc<Cell<Ended>>,
        now: Instant,
    ) -> Result<Self> {
        let shown = shown.to_owned();
        let mut refused = Limited::new(SAY_EVERY);
        let mut process = Process::spawn(&mut guard::guarded(command), move |line| {
            let reason = rejection(line);
            if let Some(reason) = reason {
                let now = clock::monotonic();
                refused.note(now, format_args!("{shown}: a sender was sent away: {reason}"));
            }
            reason.is_some()
        })?;
        drop(process.stdin());
        let output = process.stdout().ok_or_else(|| anyhow!("ffmpeg has no stdout"))?;
        let output = File::from(OwnedFd::from(output));
        // A smaller one does as well.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, PIPE);
        Ok(Self { process: Some(process), output, veil, ended, started: now })
    }

    /// What it writes.
    pub(crate) fn output(&self) -> &File {
        &self.output
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
        process.end_within(FAREWELL);
        match process.finish() {
            Ok(()) => {
                self.ended.set(Ended::Well);
                END_OF_STREAM.to_owned()
            }
            Err(error @ FfmpegError::Failed { .. }) => {
                self.ended.set(Ended::Badly);
                // The level that ffmpeg puts before each line.
                self.veil.hide(&error.to_string().replace("[error] ", ""))
            }
            Err(error) => error.to_string(),
        }
    }

    /// Asks it to end; what it still has to say can be read until it closes its output.
    pub(crate) fn ask_to_end(&self) {
        if let Some(process) = &self.process {
            process.ask_to_end();
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.ask_to_end();
            process.end_within(FAREWELL);
        }
    }
}

/// Why a listening ffmpeg sent somebody away, if that is what a line of libsrt says. It listens on, so that
/// nobody would hear of it otherwise.
fn rejection(line: &str) -> Option<&str> {
    let (_, reason) = line.split_once("processConnectRequest: rsp(REJECT): ")?;
    Some(reason.split_once(" - ").map_or(reason, |(_, words)| words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libsrt_says_why() {
        let line = "08:23:44.689839/SRT:RcvQ:w1!W:SRT.cn: processConnectRequest: rsp(REJECT): 1010 - Incorrect passphrase";
        assert_eq!(rejection(line), Some("Incorrect passphrase"));
        assert_eq!(rejection("srt://h:1: Input/output error"), None);
    }
}
