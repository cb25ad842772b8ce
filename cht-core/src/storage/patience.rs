//! Waits for a disk that refuses, if the error may pass by itself or when there is room again.
//!
//! No stage ends because of such an error. It warns once, tries again until the disk serves, and
//! reports that as well.

use std::{
    io,
    time::{Duration, Instant},
};

use super::disk_error::{Cause, cause, may_pass};
use crate::process::clock;

/// Time until a disk that refused is tried again.
pub const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Number of tries at a read-only disk when opening something: 10 s.
const READ_ONLY_TRIES: u32 = 20;

/// Time within which another refusal is not reported again.
const QUIET: Duration = Duration::from_secs(60);

/// Tells whether an error is a refusal that is waited for where something is opened; `read_only`
/// tries are left to a read-only disk.
fn passes_at_start(error: &io::Error, read_only: &mut u32) -> bool {
    if cause(error) == Cause::ReadOnly {
        *read_only = read_only.saturating_sub(1);
        return *read_only > 0;
    }
    may_pass(error)
}

/// A change in the disk's state, to be reported to people.
#[derive(Debug)]
pub enum Turn<'a> {
    /// It refuses from now on.
    Refuses(&'a io::Error),
    /// It serves again.
    Serves,
}

/// Repeats operations that a disk refuses. For stages that any signal may end meanwhile.
#[derive(Debug, Default)]
pub struct Patience {
    /// When it last served again.
    served: Option<Instant>,
    /// A read-only disk was waited for in vain, and nothing could be opened since.
    in_vain: bool,
}

impl Patience {
    /// Repeats `attempt` until the disk does not refuse it, and returns its result. Calls `tell` at
    /// the first refusal and after the last, unless there was another shortly before.
    pub fn insist<T>(
        &mut self,
        attempt: impl FnMut() -> io::Result<T>,
        tell: impl FnMut(Turn<'_>),
    ) -> io::Result<T> {
        self.insist_while(may_pass, attempt, tell)
    }

    /// Does the same when a folder or a journal is opened. Waits for a read-only disk for some
    /// seconds only: one that stays so is the wrong place, and an unattended job must not wait for
    /// ever. The next one is not waited for, until something could be opened.
    pub fn insist_at_start<T>(
        &mut self,
        attempt: impl FnMut() -> io::Result<T>,
        tell: impl FnMut(Turn<'_>),
    ) -> io::Result<T> {
        let mut read_only = if self.in_vain { 1 } else { READ_ONLY_TRIES };
        let passes = |error: &io::Error| passes_at_start(error, &mut read_only);
        let done = self.insist_while(passes, attempt, tell);
        self.in_vain = done.as_ref().is_err_and(|error| cause(error) == Cause::ReadOnly);
        done
    }

    fn insist_while<T>(
        &mut self,
        mut passes: impl FnMut(&io::Error) -> bool,
        mut attempt: impl FnMut() -> io::Result<T>,
        mut tell: impl FnMut(Turn<'_>),
    ) -> io::Result<T> {
        let first = match attempt() {
            Err(error) if passes(&error) => error,
            result => return result,
        };
        let now = clock::monotonic();
        let is_news = self.served.is_none_or(|served| now.duration_since(served) >= QUIET);
        if is_news {
            tell(Turn::Refuses(&first));
        }
        loop {
            clock::rest(TRY_AGAIN);
            match attempt() {
                Err(error) if passes(&error) => {}
                // The caller reports the error.
                Err(error) if may_pass(&error) => return Err(error),
                result => {
                    self.served = Some(clock::monotonic());
                    if is_news {
                        tell(Turn::Serves);
                    }
                    return result;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn error(errno: Errno) -> io::Error {
        io::Error::from_raw_os_error(errno.raw_os_error())
    }

    #[test]
    fn refusal_is_told_once_and_tried_until_it_is_over() {
        let (mut patience, mut tries, mut told) = (Patience::default(), 0, Vec::new());
        for _ in 0..2 {
            let mut left = 2;
            let done = patience.insist(
                || {
                    tries += 1;
                    left -= 1;
                    if left < 0 { Ok(tries) } else { Err(error(Errno::NOSPC)) }
                },
                |turn| told.push(matches!(turn, Turn::Refuses(_))),
            );
            assert!(done.is_ok());
        }
        assert_eq!((tries, told), (6, vec![true, false]), "the second time is the same trouble");
    }

    #[test]
    fn read_only_disk_is_the_wrong_place_after_some_seconds() {
        let mut left = READ_ONLY_TRIES;
        let tries = (0..99).take_while(|_| passes_at_start(&error(Errno::ROFS), &mut left)).count();
        assert_eq!(tries as u32, READ_ONLY_TRIES - 1);
        assert!(passes_at_start(&error(Errno::IO), &mut left));
        assert!(!passes_at_start(&error(Errno::ACCESS), &mut left));
    }

    #[test]
    fn disk_that_stays_read_only_is_waited_for_once_and_never_said_to_serve() {
        let mut patience = Patience { in_vain: true, ..Patience::default() };
        let mut told = 0;
        let refused = patience.insist_at_start(|| Err::<(), _>(error(Errno::ROFS)), |_| told += 1);
        assert!(refused.is_err() && told == 0 && patience.in_vain);
        let mut left = 2;
        let refused = patience.insist_while(
            |_| std::mem::replace(&mut left, 0) > 0,
            || Err::<(), _>(error(Errno::ROFS)),
            |turn| assert!(matches!(turn, Turn::Refuses(_))),
        );
        assert!(refused.is_err());
        patience.insist_at_start(|| Ok(()), |_| {}).unwrap();
        assert!(!patience.in_vain);
    }

    #[test]
    fn mistake_is_returned_at_once() {
        for mistake in [Errno::NOENT, Errno::ACCESS, Errno::BADF, Errno::INVAL, Errno::ISDIR] {
            let result = Patience::default().insist(|| Err::<(), _>(error(mistake)), |_| {});
            assert!(result.is_err(), "{mistake}");
        }
    }
}
