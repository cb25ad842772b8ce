//! Handles the first Ctrl-C: a list of files stops after the current segment, and a live pipeline
//! drains.
//!
//! Ctrl-C at a live pipeline is meant for its source. The few segments that wait then, and the one
//! that the recorder still finishes, are decoded. A list of files may take hours: it stops, and the
//! next run continues it.
//!
//! Several decoders (`--jobs`) are minutes ahead in the list. They stop at the end of the segment
//! whose frames come next; the next run decodes later segments again.

use std::{
    collections::HashSet,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
};

use serde::{Serialize, de::DeserializeOwned};

use super::Backlog;
use crate::{
    process::{lock::lock, report, signals},
    terminal::units,
};

/// Decides which segments are decoded after Ctrl-C.
#[derive(Debug, Default)]
pub struct Interrupt {
    state: Mutex<State>,
}

/// Ctrl-C stopped the decoders before these segments were done.
#[derive(Debug)]
pub struct Cut(pub HashSet<String>);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by Ctrl-C with {} at work", units::count(self.0.len() as u64, "segment"))
    }
}

impl std::error::Error for Cut {}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
struct State {
    /// Decoders are ahead of the segment whose frames come.
    is_ahead: bool,
    /// Events come from a recorder.
    is_live: bool,
    /// No further segment is started.
    stops: bool,
    /// Ctrl-C came before any input, which decides whether a list stops.
    is_early: bool,
    /// Name of the current segment.
    segment: Option<String>,
}

impl Interrupt {
    /// Handles Ctrl-C for `jobs` decoders.
    #[must_use]
    pub fn of_jobs(jobs: u8) -> Self {
        Self { state: Mutex::new(State { is_ahead: jobs > 1, ..State::default() }) }
    }

    /// Waits for the first Ctrl-C on a thread of its own. It closes the queue of a list: no further
    /// segment is awaited.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal cannot be handled.
    pub fn await_signal<T>(self: &Arc<Self>, queue: &Arc<Backlog<T>>) -> io::Result<()>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
    {
        let (interrupted, queue) = (Arc::clone(self), Arc::clone(queue));
        signals::on_interrupt(move || {
            if interrupted.interrupt(queue.waiting()) {
                queue.close();
            }
        })
    }

    /// Notes that events come from a recorder.
    pub fn set_live(&self) {
        self.state().is_live = true;
    }

    /// Returns whether events come from a recorder.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state().is_live
    }

    /// Starts the segment at `path`; `false` leaves it to the next run.
    pub fn begin(&self, path: Option<&str>) -> bool {
        let mut state = self.state();
        state.stops |= state.is_early && !state.is_live && path.is_some();
        if state.stops {
            return false;
        }
        if let Some(path) = path.filter(|_| !state.is_ahead || state.segment.is_none()) {
            state.segment = Some(name_of(path));
        }
        true
    }

    /// Notes that the segment at `path` is the one whose frames come.
    pub fn decoding(&self, path: &str) {
        let mut state = self.state();
        if state.is_ahead && !state.stops {
            state.segment = Some(name_of(path));
        }
    }

    /// Returns, at the end of a segment, whether decoders that are ahead stop there.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        let state = self.state();
        state.is_ahead && state.stops
    }

    /// Returns whether Ctrl-C stopped a list.
    #[must_use]
    pub fn stops(&self) -> bool {
        self.state().stops
    }

    /// Handles the first Ctrl-C while `waiting` segments wait: prints which segments will be
    /// finished, and returns whether a list stops. It also stops when none wait: a decoder takes
    /// many small segments at once, and the source of a list may have announced only these yet.
    pub(super) fn interrupt(&self, waiting: u64) -> bool {
        let mut state = self.state();
        state.is_early = !state.is_live && waiting == 0 && state.segment.is_none();
        state.stops = !state.is_live && !state.is_early;
        let (stops, is_live) = (state.stops, state.is_live);
        let segment = state.segment.clone().filter(|_| stops);
        drop(state);
        match segment {
            None if !is_live => {
                report::note(
                    "stopping before the first segment of a list; Ctrl-C again stops at once",
                );
            }
            // A decoder may still be some segments before it.
            Some(name) => {
                report::note(format_args!("finishing up to {name}; Ctrl-C again stops at once"));
            }
            None => report::note("finishing the recorded segments; Ctrl-C again stops at once"),
        }
        stops
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Returns the last component of `path`.
fn name_of(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_jobs_stop_after_segment_whose_frames_come() {
        let interrupt = Interrupt::of_jobs(3);
        for path in ["a/1.ts", "a/2.ts", "a/3.ts"] {
            assert!(interrupt.begin(Some(path)));
        }
        interrupt.decoding("a/1.ts");
        assert!(!interrupt.is_cut());
        assert!(interrupt.interrupt(0));
        interrupt.decoding("a/2.ts");
        assert_eq!(interrupt.state().segment.as_deref(), Some("1.ts"));
        assert!(interrupt.is_cut() && !interrupt.begin(Some("a/4.ts")));
    }

    #[test]
    fn interrupted_list_stops_after_current_segment() {
        let interrupt = Interrupt::default();
        assert!(interrupt.begin(Some("a/1.ts")));
        assert!(interrupt.interrupt(2));
        assert!(!interrupt.begin(Some("a/2.ts")));
        assert_eq!(interrupt.state().segment.as_deref(), Some("1.ts"));
    }

    #[test]
    fn live_segments_are_decoded_after_interrupt() {
        let live = Interrupt::default();
        live.set_live();
        assert!(!live.interrupt(2) && !live.stops());
        assert!(live.begin(Some("a/1.ts")));
    }

    #[test]
    fn segment_announced_after_interrupt_is_left() {
        let list = Interrupt::default();
        assert!(list.begin(Some("a/1.ts")));
        assert!(list.interrupt(0) && list.stops());
        assert!(!list.begin(Some("a/2.ts")));
    }

    #[test]
    fn list_interrupted_before_its_first_segment_is_not_started() {
        for jobs in [1, 3] {
            let early = Interrupt::of_jobs(jobs);
            assert!(!early.interrupt(0));
            assert!(early.begin(None));
            assert!(!early.begin(Some("a/1.ts")) && !early.begin(Some("a/2.ts")));
            let live = Interrupt::of_jobs(jobs);
            assert!(!live.interrupt(0));
            live.set_live();
            assert!(live.begin(Some("a/1.ts")));
        }
    }
}
