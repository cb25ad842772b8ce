//! Stops a decoder that hangs: it has input, or the end of it, and neither takes it nor gives
//! anything.

use std::{
    io::{self, Read},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cht_core::process::{clock, ffmpeg};
use rustix::event::{PollFd, PollFlags};

/// Interval at which a decoder that gives nothing is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Progress of a decoder.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Number of times that input was begun or taken: odd while the decoder has input that it has
    /// not taken.
    fed: AtomicU64,
    hung: AtomicBool,
}

impl Watch {
    /// Notes that the decoder gets input, or the end of it.
    pub(crate) fn begin(&self) {
        self.fed.fetch_or(1, Ordering::SeqCst);
    }

    /// Notes that it has taken that.
    pub(crate) fn end(&self) {
        self.fed.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns whether it hung and was stopped.
    pub(crate) fn has_hung(&self) -> bool {
        self.hung.load(Ordering::SeqCst)
    }

    /// Returns the number while input waits.
    fn waiting(&self) -> Option<u64> {
        Some(self.fed.load(Ordering::SeqCst)).filter(|number| number % 2 == 1)
    }
}

/// Output of a decoder that is stopped when it hangs.
#[derive(Debug)]
pub(crate) struct Watched<R> {
    output: R,
    watch: Arc<Watch>,
    timeout: Duration,
    /// Process id of the decoder.
    id: u32,
}

impl<R: AsFd> Watched<R> {
    pub(crate) fn new(output: R, watch: Arc<Watch>, timeout: Duration, id: u32) -> Self {
        Self { output, watch, timeout, id }
    }

    /// Waits for output, or the end of it. Returns an error if the decoder was stopped.
    fn wait(&self) -> io::Result<()> {
        let mut since: Option<(u64, Instant)> = None;
        loop {
            let mut ready = [PollFd::new(&self.output, PollFlags::IN)];
            let now = clock::monotonic();
            clock::wait_ready(&mut ready, Some(now + LOOK.min(self.timeout)))?;
            if !ready[0].revents().is_empty() {
                return Ok(());
            }
            since = match (self.watch.waiting(), since) {
                (Some(number), Some((before, at))) if number == before => Some((before, at)),
                (waiting, _) => waiting.map(|number| (number, now)),
            };
            let stuck = since.map(|(_, at)| clock::monotonic().saturating_duration_since(at));
            if stuck.is_some_and(|stuck| stuck >= self.timeout) {
                self.watch.hung.store(true, Ordering::SeqCst);
                ffmpeg::kill(self.id);
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

impl<R: Read + AsFd> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        self.output.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        os::unix::{net::UnixStream, process::ExitStatusExt as _},
        process::Command,
    };

    use super::*;

    #[test]
    fn decoder_that_takes_nothing_is_stopped_and_an_idle_one_is_not() {
        let mut decoder = Command::new("sleep").arg("1000").spawn().unwrap();
        let (output, mut its) = UnixStream::pair().unwrap();
        let watch = Arc::new(Watch::default());
        let timeout = Duration::from_millis(40);
        let mut watched = Watched::new(output, Arc::clone(&watch), timeout, decoder.id());
        // Idle: the next output is waited for.
        let writer = std::thread::spawn(move || {
            clock::rest(timeout * 4);
            its.write_all(b"frame").unwrap();
            its
        });
        let mut buffer = [0; 16];
        assert_eq!(watched.read(&mut buffer).unwrap(), 5);
        let its = writer.join().unwrap();
        watch.begin();
        assert_eq!(watched.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(watch.has_hung());
        assert_eq!(decoder.wait().unwrap().signal(), Some(9));
        drop(its);
    }
}
