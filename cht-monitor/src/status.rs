//! The state of the stream, for people.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use cht_core::{
    live::{Feed, LeftOut},
    process::{lock::lock, report},
};

/// The state of the player's feed. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Status(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    behind: Duration,
    left_out: LeftOut,
    limited: report::Limited,
}

impl Status {
    /// Notes the state of a feed; says what was left out.
    pub(crate) fn watch(&self, feed: &Feed, now: Instant) {
        let mut state = lock(&self.0);
        state.behind = feed.behind();
        let left_out = feed.left_out();
        if left_out.groups > state.left_out.groups {
            let LeftOut { groups, bytes } = left_out;
            let message = format_args!(
                "the player is too slow: {groups} groups of pictures ({bytes} bytes) were left out so far; it \
                 continues at the newest keyframe"
            );
            state.limited.note(now, message);
        }
        state.left_out = left_out;
    }
}
