//! The ffmpeg that reads and writes pictures and clips. It ends with this tool, however that ends,
//! and is stopped when it hangs.

use std::{path::Path, process::Command, time::Duration};

use cht_core::process::{
    die_with_parent,
    ffmpeg::{FfmpegError, Process, Program},
};

/// An ffmpeg, and how long it may do nothing.
#[derive(Debug)]
pub(crate) struct Ffmpeg {
    program: Program,
    patience: Duration,
}

impl Ffmpeg {
    /// Looks for ffmpeg.
    pub(crate) fn find(path: &Path, patience: Duration) -> Result<Self, FfmpegError> {
        Ok(Self { program: Program::find(path)?, patience })
    }

    /// Returns an empty command line.
    pub(crate) fn command(&self) -> Command {
        let mut command = self.program.command();
        // It has no other way to hand the command over.
        std::mem::replace(command.as_inner_mut(), Command::new(""))
    }

    /// Returns the arguments that keep each picture's own time.
    pub(crate) fn passthrough(&self) -> [&'static str; 2] {
        self.program.passthrough()
    }

    /// Starts a command.
    pub(crate) fn start(&self, command: &Command) -> Result<Process, FfmpegError> {
        self.start_and_listen(command, |_| false)
    }

    /// Starts a command, and calls `on_line` with each line of its stderr; it returns whether the
    /// line is of no use in an error message.
    pub(crate) fn start_and_listen(
        &self,
        command: &Command,
        on_line: impl FnMut(&str) -> bool + Send + 'static,
    ) -> Result<Process, FfmpegError> {
        let process = Process::spawn(&mut die_with_parent::guarded(command), on_line)?;
        Ok(process.stopped_when_idle(self.patience))
    }
}
