//! A pipe that has to give something within a limit.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    time::Duration,
};

use cht_core::clock;
use rustix::event::{PollFd, PollFlags};

/// Reads from `pipe`, and fails with [`io::ErrorKind::TimedOut`] when nothing comes for `limit`.
#[derive(Debug)]
pub(crate) struct Timely<P> {
    pub pipe: P,
    pub limit: Duration,
}

impl<P: Read + AsFd> Read for Timely<P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = clock::monotonic() + self.limit;
        loop {
            let mut descriptors = [PollFd::new(&self.pipe, PollFlags::IN)];
            clock::wait_ready(&mut descriptors, Some(limit))?;
            if !descriptors[0].revents().is_empty() {
                return self.pipe.read(buffer);
            }
            if clock::monotonic() >= limit {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_comes_is_read_and_what_does_not_is_an_error() {
        let (pipe, mut writer) = io::pipe().unwrap();
        let mut timely = Timely { pipe, limit: Duration::from_millis(10) };
        writer.write_all(b"one").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(timely.read(&mut buffer).unwrap(), 3);
        assert_eq!(timely.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(writer);
        assert_eq!(timely.read(&mut buffer).unwrap(), 0);
    }
}
