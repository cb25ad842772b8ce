//! `--input -`: another program's output on our stdin, once.

use std::{fs::File, io, os::fd::AsFd as _, time::Instant};

use anyhow::{Result, bail};
use cht_core::process::{cli, clock};
use rustix::event::{PollFd, PollFlags};

use super::{
    sender::{Plain, Sender},
    source::Source,
};

/// Our stdin, until it becomes a sender.
#[derive(Debug)]
pub(crate) struct StdinSource(Option<File>);

impl StdinSource {
    pub(crate) fn open() -> Result<Self> {
        cli::refuse_terminal("pipe a transport stream into it")?;
        // A handle of our own, without the standard library's buffer.
        match io::stdin().as_fd().try_clone_to_owned() {
            Ok(input) => Ok(Self(Some(input.into()))),
            Err(error) => bail!("stdin: {error}"),
        }
    }
}

impl Source for StdinSource {
    fn descriptors<'a>(&'a self, descriptors: &mut Vec<PollFd<'a>>) {
        descriptors.extend(self.0.iter().map(|input| PollFd::new(input, PollFlags::IN)));
    }

    /// Lets it in when there is something to read. Its flags are shared with other processes, so a
    /// read may block.
    fn admit(&mut self, now: Instant, _taken: bool) -> Result<Option<Sender>> {
        let Some(input) = &self.0 else { return Ok(None) };
        let mut descriptors = [PollFd::new(input, PollFlags::IN)];
        clock::wait_ready(&mut descriptors, Some(now))?;
        if descriptors[0].revents().is_empty() {
            return Ok(None);
        }
        Ok(self.0.take().map(|input| Sender::new("stdin".to_owned(), Plain::new(input))))
    }

    fn is_done(&self) -> bool {
        self.0.is_none()
    }
}
