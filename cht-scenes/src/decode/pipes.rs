//! Reads the outputs of a decoder: pictures and small luma, each on its own stream.
//!
//! Streams are sockets. The writer and the reader of a pipe take one lock while they copy, and spin
//! for it: for pictures, that costs as much as copying them.

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

/// Size of a stream's buffer, in bytes, if the system grants it: with a large one, a decoder waits
/// less often.
const WAITS: usize = 1 << 20;

/// Holds the reading ends of a decoder's streams.
#[derive(Debug)]
pub(crate) struct Outputs {
    /// Stream of pictures, each in the format that the log describes.
    pub pictures: UnixStream,
    /// Stream of the small luma of all frames, if it is measured.
    pub small: Option<UnixStream>,
    /// Time without data after which reading fails.
    pub limit: Duration,
}

/// Creates a stream: the end to read, which does not block, and the end to write.
pub(crate) fn stream() -> io::Result<(UnixStream, OwnedFd)> {
    let (reader, writer) = UnixStream::pair()?;
    reader.set_nonblocking(true)?;
    // A system that grants less is only a little slower.
    let _ = set_socket_send_buffer_size(&writer, WAITS);
    Ok((reader, writer.into()))
}

impl Outputs {
    /// Returns whether luma is measured.
    pub(crate) fn has_small(&self) -> bool {
        self.small.is_some()
    }

    /// Fills both with the next samples, in the order in which they come: the decoder may write one
    /// only after the other was read. Fails with [`io::ErrorKind::TimedOut`] when nothing comes
    /// within the limit, and with [`io::ErrorKind::UnexpectedEof`] when the decoder has ended.
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

/// Reads the samples that are available; returns `None` if there are none yet.
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
    fn samples_in_either_order_are_read() {
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
    fn samples_that_do_not_come_are_an_error() {
        let (outputs, mut picture, _luma) = outputs();
        picture.write_all(b"on").unwrap();
        let late = outputs.read(&mut [0; 3], &mut []).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
