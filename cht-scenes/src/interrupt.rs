//! The first Ctrl-C: decoding stops after the segment at work where others wait, and says so.
//!
//! Ctrl-C at a live pipeline is meant for its source. Few segments wait then, and the recorder finishes one more: those are
//! decoded. A list of files may take hours: it stops, and the next run goes on with it.
//!
//! Several decoders (`--jobs`) have minutes of the list in work. They are stopped when the segment is done whose frames come
//! next; what they have of later ones is decoded again by the next run.

use std::{
    collections::HashSet,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use cht_core::process::report;

/// Decides which segments are still decoded.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    state: Mutex<State>,
}

/// Ctrl-C has stopped decoders before they were done with these segments.
#[derive(Debug)]
pub(crate) struct Cut(pub HashSet<String>);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by Ctrl-C with {} segments at work", self.0.len())
    }
}

impl std::error::Error for Cut {}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that is so or not")]
struct State {
    /// Decoders are segments ahead of the frames that come.
    is_ahead: bool,
    /// A recorder sends the events.
    is_live: bool,
    /// No further segment is begun.
    stops: bool,
    /// Ctrl-C came before anything was read: whether a list stops is decided by what comes.
    is_early: bool,
    /// Name of the segment at work.
    segment: Option<String>,
}

impl Interrupt {
    /// Returns one for this number of decoders.
    pub(crate) fn of_jobs(jobs: u8) -> Self {
        Self { state: Mutex::new(State { is_ahead: jobs > 1, ..State::default() }) }
    }

    /// Notes that a recorder sends the events.
    pub(crate) fn set_live(&self) {
        self.state().is_live = true;
    }

    /// Notes that the segment at `path` is begun, if it may be; `false`: it is left to the next run.
    pub(crate) fn begin(&self, path: Option<&str>) -> bool {
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

    /// Notes that the frames that come are those of the segment at `path`.
    pub(crate) fn decoding(&self, path: &str) {
        let mut state = self.state();
        if state.is_ahead && !state.stops {
            state.segment = Some(name_of(path));
        }
    }

    /// Tells, at the end of a segment, whether decoders that are ahead of it stop there.
    pub(crate) fn is_cut(&self) -> bool {
        let state = self.state();
        state.is_ahead && state.stops
    }

    /// Takes the first Ctrl-C, while `waiting` segments wait, and says what is finished. Returns whether a list stops.
    pub(crate) fn interrupt(&self, waiting: u64) -> bool {
        let mut state = self.state();
        state.is_early = !state.is_live && waiting == 0 && state.segment.is_none();
        state.stops = !state.is_live && !state.is_early && (waiting > 0 || state.is_ahead);
        let stops = state.stops;
        let (segment, is_early) = (state.segment.clone().filter(|_| stops), state.is_early);
        drop(state);
        match segment {
            None if is_early => {
                report::note("stopping before the first segment of a list; again to stop at once");
            }
            // A decoder may be some segments before it.
            Some(name) => {
                report::note(format_args!("finishing up to {name}; again to stop at once"));
            }
            None => report::note("finishing all that was announced; again to stop at once"),
        }
        stops
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the name of the file at `path`.
fn name_of(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoders_that_are_ahead_stop_after_the_segment_whose_frames_come() {
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
    fn list_stops_after_the_segment_at_work() {
        let interrupt = Interrupt::default();
        assert!(interrupt.begin(Some("a/1.ts")));
        assert!(interrupt.interrupt(2));
        assert!(!interrupt.begin(Some("a/2.ts")));
        assert_eq!(interrupt.state().segment.as_deref(), Some("1.ts"));
    }

    #[test]
    fn live_and_last_segments_are_decoded_after_an_interrupt() {
        let live = Interrupt::default();
        live.set_live();
        assert!(!live.interrupt(2));
        assert!(live.begin(Some("a/1.ts")));
        let last = Interrupt::default();
        assert!(last.begin(Some("a/1.ts")));
        assert!(!last.interrupt(0));
    }

    #[test]
    fn list_that_is_interrupted_before_it_was_read_is_not_begun() {
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
