//! A pipe that is emptied by a thread of its own, so that whoever fills it never waits for us.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::Duration,
};

use cht_core::clock;
use rustix::{buffer::spare_capacity, io::read};

/// Bytes per read, and reads that may wait: 16 MiB at most, a second or two of small luma.
const READ: usize = 256 * 1024;
const QUEUE: usize = 64;

/// What the thread has read.
#[derive(Debug)]
pub(crate) struct Drained {
    queue: Receiver<Vec<u8>>,
    /// Reading fails when nothing comes for so long.
    limit: Duration,
    /// Being handed out, from `position` on.
    bytes: Vec<u8>,
    position: usize,
}

/// Starts the thread, which ends with the pipe.
pub(crate) fn drain(pipe: impl AsFd + Send + 'static, limit: Duration) -> Drained {
    let (sender, queue) = sync_channel(QUEUE);
    std::thread::spawn(move || {
        loop {
            let mut bytes = Vec::with_capacity(READ);
            match read(&pipe, spare_capacity(&mut bytes)) {
                Ok(0) => break,
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => break,
            }
            if sender.send(bytes).is_err() {
                break;
            }
        }
    });
    Drained { queue, limit, bytes: Vec::new(), position: 0 }
}

impl Read for Drained {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.bytes.len() {
            let bytes = match clock::receive_within(&self.queue, self.limit) {
                Ok(bytes) => bytes,
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
            };
            (self.bytes, self.position) = (bytes, 0);
        }
        let count = buffer.len().min(self.bytes.len() - self.position);
        buffer[..count].copy_from_slice(&self.bytes[self.position..][..count]);
        self.position += count;
        Ok(count)
    }
}
