//! What a decoder gives: pictures, and small luma, each on a stream of its own.
//!
//! Streams are sockets. Whoever writes to a pipe and whoever reads it hold one lock while they copy, and spin for it: of
//! pictures, that costs as much as copying them.

use std::{
    io::{self, Read as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use cht_core::process::clock;
use rustix::{
    event::{PollFd, PollFlags},
    net::sockopt::set_socket_send_buffer_size,
};

/// So much may wait in a stream, where the system grants it: a decoder waits less often.
const WAITS: usize = 1 << 20;

/// The reading ends.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// Pictures, as they are described.
    pub pictures: UnixStream,
    /// Small luma of all frames, where it is measured.
    pub small: Option<UnixStream>,
    /// Reading fails when nothing comes for so long.
    pub limit: Duration,
}

/// A stream: the end to read, which does not block, and the one to write.
pub(crate) fn stream() -> io::Result<(UnixStream, OwnedFd)> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    // A system that grants less is only a little slower.
    let _ = set_socket_send_buffer_size(&writer, WAITS);
    Ok((reader, writer.into()))
}

impl Outputs {
    /// Whether luma is measured.
    pub(crate) fn has_small(&self) -> bool {
        self.small.is_some()
    }

    /// Fills both with what comes next: whichever comes first, for the decoder may write one only when the other was read.
    /// Fails with [`io::ErrorKind::TimedOut`] when nothing comes within the limit, and with
    /// [`io::ErrorKind::UnexpectedEof`] when the decoder has ended.
    pub(crate) fn read(&self, picture: &mut [u8], small: &mut [u8]) -> io::Result<()> {
        let both = [(Some(&self.pictures), picture), (self.small.as_ref(), small)];
        let parts = both.into_iter().filter_map(|(stream, part)| Some((stream?, part)));
        let mut parts: Vec<_> = parts.collect();
        let mut until = clock::monotonic() + self.limit;
        loop {
            for (stream, part) in &mut parts {
                if let Some(count) = read_some(stream, part)? {
                    *part = &mut std::mem::take(part)[count..];
                    until = clock::monotonic() + self.limit;
                }
            }
            parts.retain(|(_, part)| !part.is_empty());
            let mut descriptors: Vec<_> =
                parts.iter().map(|(stream, _)| PollFd::new(*stream, PollFlags::IN)).collect();
            if descriptors.is_empty() {
                return Ok(());
            }
            clock::wait_ready(&mut descriptors, Some(until))?;
            let is_quiet = descriptors.iter().all(|descriptor| descriptor.revents().is_empty());
            if is_quiet && clock::monotonic() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// Reads what is there; `None` if that is nothing yet.
fn read_some(mut stream: &UnixStream, part: &mut [u8]) -> io::Result<Option<usize>> {
    match stream.read(part) {
        Ok(0) if !part.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(count) => Ok(Some(count)),
        Err(error) if is_nothing_yet(error.kind()) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_nothing_yet(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn outputs() -> (Outputs, UnixStream, UnixStream) {
        let (pictures, picture) = stream().unwrap();
        let (small, luma) = stream().unwrap();
        let limit = Duration::from_millis(10);
        (Outputs { pictures, small: Some(small), limit }, picture.into(), luma.into())
    }

    #[test]
    fn what_comes_is_read_whichever_comes_first() {
        let (mut outputs, mut picture, mut luma) = outputs();
        // More than a stream holds: a writer that is not read waits.
        outputs.limit = Duration::from_secs(60);
        let bytes = 3 * WAITS;
        let writer = std::thread::spawn(move || {
            luma.write_all(&vec![1; bytes]).unwrap();
            picture.write_all(&vec![2; bytes]).unwrap();
            (luma, picture)
        });
        let (mut first, mut second) = (vec![0; bytes], vec![0; bytes]);
        outputs.read(&mut first, &mut second).unwrap();
        assert!(first.iter().all(|&byte| byte == 2) && second.iter().all(|&byte| byte == 1));
        drop(writer.join().unwrap());
        let ended = outputs.read(&mut [], &mut [0]).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
        outputs.read(&mut [], &mut []).unwrap();
    }

    #[test]
    fn what_does_not_come_is_an_error() {
        let (outputs, mut picture, _luma) = outputs();
        picture.write_all(b"on").unwrap();
        let late = outputs.read(&mut [0; 3], &mut []).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
