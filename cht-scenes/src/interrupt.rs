//! The first Ctrl-C: decoding stops after the segment at work where others wait, and says so.
//!
//! Ctrl-C at a live pipeline is meant for its source. Few segments wait then, and the recorder finishes one more: those are
//! decoded. A list of files may take hours: it stops, and the next run goes on with it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cht_core::report;

/// Decides which segments are still decoded.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// A recorder sends the events.
    is_live: bool,
    /// No further segment is begun.
    stops: bool,
    /// Name of the segment at work.
    segment: Option<String>,
}

impl Interrupt {
    /// Notes that a recorder sends the events.
    pub(crate) fn set_live(&self) {
        self.state().is_live = true;
    }

    /// Notes that the segment at `path` is begun, if it may be; `false`: it is left to the next run.
    pub(crate) fn begin(&self, path: Option<&str>) -> bool {
        let mut state = self.state();
        if state.stops {
            return false;
        }
        if let Some(path) = path {
            state.segment = Some(path.rsplit('/').next().unwrap_or(path).to_owned());
        }
        true
    }

    /// Takes the first Ctrl-C, while `waiting` segments wait, and says what is finished.
    pub(crate) fn interrupt(&self, waiting: u64) {
        let mut state = self.state();
        state.stops = !state.is_live && waiting > 0;
        let segment = state.segment.clone().filter(|_| state.stops);
        drop(state);
        match segment {
            // The decoders may be some segments before it.
            Some(name) => {
                report::note(format_args!("finishing up to {name}; again to stop at once"));
            }
            None => report::note("finishing all that was announced; again to stop at once"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_stops_after_the_segment_at_work() {
        let interrupt = Interrupt::default();
        assert!(interrupt.begin(Some("a/1.ts")));
        interrupt.interrupt(2);
        assert!(!interrupt.begin(Some("a/2.ts")));
        assert_eq!(interrupt.state().segment.as_deref(), Some("1.ts"));
    }

    #[test]
    fn live_and_last_segments_are_decoded_after_an_interrupt() {
        let live = Interrupt::default();
        live.set_live();
        live.interrupt(2);
        assert!(live.begin(Some("a/1.ts")));
        let last = Interrupt::default();
        last.interrupt(0);
        assert!(last.begin(Some("a/1.ts")));
    }
}
