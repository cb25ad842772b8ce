//! Ctrl-C while recordings are looked for: it ends the program at once, with a word.

use std::{io, os::unix::net::UnixStream, thread};

use cht_core::process::{report, signals::Signals};

use crate::plan::Examined;

/// Calls `work`, which examines files. A signal ends the program. Returns what `work` returned, and
/// the signals, which have no effect by themselves any more.
pub(crate) fn until_stopped<T>(
    examined: &Examined,
    work: impl FnOnce() -> T,
) -> io::Result<(T, Signals)> {
    let mut stop = Signals::catch()?;
    let (ended, watching) = UnixStream::pair()?;
    let (made, stop) = thread::scope(|scope| {
        let watch = scope.spawn(move || {
            if stop.wait(&watching) {
                stop.end_with(|| {
                    examined.finish();
                    report::note("stopped while it looked for recordings; nothing was begun");
                });
                return None;
            }
            Some(stop)
        });
        let made = work();
        examined.finish();
        drop(ended);
        (made, watch.join().ok().flatten())
    });
    // Without them, the program is about to end.
    let stop = stop.ok_or_else(|| io::Error::from(io::ErrorKind::Interrupted))?;
    Ok((made, stop))
}

/// Lets a signal end the program from now on.
pub(crate) fn end_by(mut stop: Signals) -> io::Result<()> {
    let (never, watching) = UnixStream::pair()?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let _never = never;
        if stop.wait(&watching) {
            stop.end_with(|| ());
        }
    })?;
    Ok(())
}
