//! A running stage.

use std::{
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{self, Command, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use cht_core::process::{apart, clock, signals};
use rustix::{
    event::{PollFd, PollFlags},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};

use crate::{plan::Stage, programs};

/// Time within which a stage handles signals.
const START: Duration = Duration::from_secs(10);

/// A running stage.
#[derive(Debug)]
pub(crate) struct Child {
    pub program: &'static str,
    process: process::Child,
    /// Readable when it has ended; unlike its number, it never names another process.
    handle: OwnedFd,
}

impl Child {
    /// Starts a stage that reads from `input`, or our stdin, and writes to `output`, or our stdout.
    pub(crate) fn stage(
        stage: &Stage,
        input: Option<PipeReader>,
        output: Option<PipeWriter>,
    ) -> Result<Self> {
        let mut command = command(stage)?;
        command.stdin(input.map_or(Stdio::inherit(), Stdio::from));
        command.stdout(output.map_or(Stdio::inherit(), Stdio::from));
        Self::of(stage.program, command.spawn())
    }

    /// Starts a server, which no Ctrl-C reaches: it is there until the stages have ended.
    pub(crate) fn server(stage: &Stage) -> Result<Self> {
        let mut command = command(stage)?;
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self::of(stage.program, apart::spawn(&mut command))
    }

    fn of(program: &'static str, started: io::Result<process::Child>) -> Result<Self> {
        let process = started.context(program)?;
        let handle = Pid::from_raw(process.id() as i32)
            .context(program)
            .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).context(program))?;
        Ok(Self { program, process, handle })
    }

    /// Waits until Ctrl-C does not end it any more, or it has ended.
    pub(crate) fn await_handlers(&self) -> io::Result<()> {
        let until = clock::monotonic() + START;
        while !signals::handles_interrupt(self.process.id()) && clock::monotonic() < until {
            let mut ended = [PollFd::new(self, PollFlags::IN)];
            // No event tells when a handler is set.
            let soon = clock::monotonic() + Duration::from_millis(1);
            clock::wait_ready(&mut ended, Some(soon))?;
            if !ended[0].revents().is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Asks it to end; a source ends with what it has.
    pub(crate) fn ask_to_end(&self) {
        // It may have ended already.
        let _ = pidfd_send_signal(&self.handle, Signal::TERM);
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> io::Result<ExitStatus> {
        self.process.wait()
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// Returns the command of a stage.
pub(crate) fn command(stage: &Stage) -> Result<Command> {
    let mut command = Command::new(programs::tool(stage.program)?);
    command.args(&stage.arguments);
    Ok(command)
}
