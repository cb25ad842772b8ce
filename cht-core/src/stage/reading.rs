//! Ends a stage: waits for the thread that reads stdin when the work has ended.
//!
//! Without Ctrl-C, the stage ends with its stdin. After Ctrl-C over a list it does not depend on
//! its source: the source was sent the same Ctrl-C, but may ignore it, or take hours.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use super::{Announced, Backlog, Interrupt, Output, ReadError, Reader, Work};
use crate::{process::clock, terminal::units};

/// Time that a source has to end after Ctrl-C, once the segments that it announced are done.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// The stage ended with work left, or could not read or pass on its input.
#[derive(Debug, thiserror::Error)]
pub enum Unfinished {
    /// Reading or passing on failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Ctrl-C left this number of announced segments to the next run.
    #[error(
        "stopped by Ctrl-C with {} left; the same command goes on with them, without --overwrite",
        units::count(*.0, "segment")
    )]
    Left(u64),
    /// Ctrl-C ended a list whose source had not ended.
    #[error(
        "stopped by Ctrl-C before the end of its input; the same command goes on, without --overwrite"
    )]
    InputOpen,
    /// A fault of the program.
    #[error("the reading thread panicked")]
    Panicked,
}

/// Thread that reads stdin, while it runs.
#[derive(Debug)]
pub struct Reading {
    ended: Receiver<Result<(), ReadError>>,
    output: Output,
    backlog: Arc<Backlog<Work>>,
    interrupt: Arc<Interrupt>,
}

impl<A: Announced + Send + 'static> Reader<A> {
    /// Starts the thread.
    #[must_use]
    pub fn start(self) -> Reading {
        let (ends, ended) = channel();
        let (output, backlog) = (self.output.clone(), Arc::clone(&self.backlog));
        let interrupt = Arc::clone(&self.interrupt);
        // The stage may have ended before its stdin.
        thread::spawn(move || drop(ends.send(self.run())));
        Reading { ended, output, backlog, interrupt }
    }
}

impl Reading {
    /// Ends reading after the work. `undone` is the number of segments that the work had begun and
    /// Ctrl-C stopped; `None` if the work failed, which the caller reports.
    ///
    /// # Errors
    ///
    /// Returns an error if stdin could not be read or passed on, or if Ctrl-C left work to the next
    /// run.
    pub fn finish(self, undone: Option<u64>) -> Result<(), Unfinished> {
        self.finish_within(undone, SHUTDOWN_GRACE)
    }

    fn finish_within(self, undone: Option<u64>, grace: Duration) -> Result<(), Unfinished> {
        let Some(undone) = undone else {
            self.abandon();
            return Ok(());
        };
        if !self.interrupt.stops() {
            // The reader may wait for room.
            self.backlog.abandon();
            return Ok(self.ended.recv().map_err(|_| Unfinished::Panicked)??);
        }
        let is_known = undone + self.backlog.waiting() > 0;
        let read =
            clock::receive_within(&self.ended, if is_known { Duration::ZERO } else { grace });
        self.abandon();
        match (undone + self.backlog.waiting(), read) {
            (_, Ok(Err(error))) => Err(error.into()),
            (_, Err(RecvTimeoutError::Disconnected)) => Err(Unfinished::Panicked),
            (0, Ok(Ok(()))) => Ok(()),
            (0, Err(RecvTimeoutError::Timeout)) => Err(Unfinished::InputOpen),
            (left, _) => Err(Unfinished::Left(left)),
        }
    }

    /// Lets the reader finish the line that it is passing on; it passes on no other.
    fn abandon(&self) {
        self.backlog.abandon();
        drop(self.output.lock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;

    /// Returns the thread after Ctrl-C came in the first segment of a list, and what ends it.
    fn interrupted() -> (Reading, Sender<Result<(), ReadError>>) {
        let (ends, ended) = channel();
        let (output, backlog) = (Output::open().unwrap(), Arc::new(Backlog::new()));
        let interrupt = Arc::new(Interrupt::default());
        assert!(interrupt.begin(Some("1.ts")));
        assert!(interrupt.interrupt(0));
        (Reading { ended, output, backlog, interrupt }, ends)
    }

    fn finish(reading: Reading, undone: Option<u64>) -> Result<(), String> {
        let finished = reading.finish_within(undone, Duration::from_millis(1));
        finished.map_err(|error| error.to_string())
    }

    #[test]
    fn list_with_open_input_ends_after_interrupt() {
        let (reading, _ends) = interrupted();
        let error = finish(reading, Some(0)).unwrap_err();
        assert!(error.starts_with("stopped by Ctrl-C before the end of its input"), "{error}");
    }

    #[test]
    fn list_with_ended_input_is_complete_after_interrupt() {
        let (reading, ends) = interrupted();
        ends.send(Ok(())).unwrap();
        assert_eq!(finish(reading, Some(0)), Ok(()));
    }

    #[test]
    fn waiting_and_unfinished_segments_are_counted_as_left() {
        let (reading, _ends) = interrupted();
        assert!(reading.backlog.push(Work::Path("2.ts".into())));
        let error = finish(reading, Some(2)).unwrap_err();
        assert!(error.starts_with("stopped by Ctrl-C with 3 segments left"), "{error}");
    }

    #[test]
    fn failed_work_does_not_wait_for_the_input() {
        let (reading, _ends) = interrupted();
        let backlog = Arc::clone(&reading.backlog);
        assert_eq!(finish(reading, None), Ok(()));
        assert!(backlog.is_abandoned());
    }
}
