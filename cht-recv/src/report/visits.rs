//! Tells people which sender comes and goes, and the length and losses of its stream.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use cht_core::{
    event::Listening,
    process::{
        clock,
        report::{self, Limited},
    },
    terminal::units,
};

use super::counters::Received;

/// Reason of a stream that was read to its end, in `disconnected`.
const END_OF_STREAM: &str = "end of stream";

/// Time between two messages of a kind: a sender that fails may try again at once.
const SAY_AGAIN: Duration = Duration::from_secs(2);

/// The messages about senders.
#[derive(Debug)]
pub(super) struct Visits(RefCell<State>);

#[derive(Debug)]
struct State {
    /// Whether the stream is in a file: no sender comes or goes.
    of_file: bool,
    come: Limited,
    gone: Limited,
    /// The sender, when it connected, and what had come before.
    sender: Option<(String, Instant, Received)>,
}

impl Visits {
    pub(super) fn new() -> Self {
        let (come, gone) = (Limited::new(SAY_AGAIN), Limited::new(SAY_AGAIN));
        Self(RefCell::new(State { of_file: false, come, gone, sender: None }))
    }

    /// Notes the address at which senders connect, or the file that is read.
    pub(super) fn listening(&self, address: &str) {
        self.0.borrow_mut().of_file = Listening::names_file(address);
    }

    /// Tells that a sender has connected, after what had come of others.
    pub(super) fn begin(&self, peer: &str, before: Received) {
        let (mut state, now) = (self.0.borrow_mut(), clock::monotonic());
        if !state.of_file {
            state.come.note(now, format_args!("{peer} connected"));
        }
        state.sender = Some((peer.to_owned(), now, before));
    }

    /// Tells that it has gone, when `received` has come of all senders.
    pub(super) fn end(&self, reason: &str, received: Received) {
        let (mut state, now) = (self.0.borrow_mut(), clock::monotonic());
        let Some((peer, since, before)) = state.sender.take() else { return };
        let length = now.saturating_duration_since(since);
        let of_it = received.since(before);
        let message = if state.of_file {
            if reason != END_OF_STREAM && reason.starts_with("ffmpeg") {
                report::warn(read(&peer, reason, of_it, true));
                return;
            }
            read(&peer, reason, of_it, report::warnings() > 0)
        } else {
            farewell(&peer, reason, length, of_it)
        };
        state.gone.note(now, message);
    }

    /// Tells what this process has recorded.
    pub(super) fn recorded(&self, session: &str, bytes: u64, segments: u64) {
        recorded(session, bytes, segments, self.0.borrow().of_file);
    }
}

/// Tells how far a file was read; `warned`: it ends too early. Its packets may have been lost
/// before it was written.
fn read(file: &str, reason: &str, received: Received, warned: bool) -> String {
    let (size, lost) = (units::size(received.bytes), lost(received));
    match (reason, received.gaps) {
        (END_OF_STREAM, _) if warned => format!("{file}: {size} were taken, {lost}"),
        (END_OF_STREAM, 0) => format!("{file}: read to its end"),
        (END_OF_STREAM, _) => format!("{file}: read to its end; {lost}"),
        _ => format!("{file}: read, but not to its end: {size}, {lost} ({reason})"),
    }
}

fn lost(received: Received) -> String {
    match received.gaps {
        _ if received.packets == 0 && received.bytes > 0 => "no MPEG transport stream".to_owned(),
        0 => "no packet lost".to_owned(),
        1 => "packets lost once".to_owned(),
        gaps => format!("packets lost {}", units::count(gaps, "time")),
    }
}

fn farewell(peer: &str, reason: &str, length: Duration, received: Received) -> String {
    let lost = lost(received);
    let (length, size) = (units::span(length.as_secs_f64()), units::size(received.bytes));
    format!("{peer} left after {length}: {size}, {lost} ({reason})")
}

/// Tells what this process has recorded into a session, or, of several, the last one.
fn recorded(session: &str, bytes: u64, segments: u64, of_file: bool) {
    if bytes == 0 {
        // Of a file, the error tells it.
        if !of_file {
            report::summary("nothing was recorded: no sender came");
        }
        return;
    }
    let segments = units::count(segments, "segment");
    let folder = cht_core::terminal::near(session.as_ref());
    report::summary(format_args!(
        "recorded {} in {segments}, in {}",
        units::size(bytes),
        folder.display()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn farewell_has_length_and_losses() {
        let received = |gaps| Received { bytes: 1_340_000, packets: 7000, gaps };
        let after = Duration::from_secs(65);
        let of = |received| farewell("1.2.3.4:5", "end of stream", after, received);
        assert_eq!(
            of(received(0)),
            "1.2.3.4:5 left after 1 min 05 s: 1.34 MB, no packet lost (end of stream)"
        );
        let of_file = |warned| read("talk.mp4", "end of stream", received(0), warned);
        assert_eq!(of_file(false), "talk.mp4: read to its end");
        assert_eq!(of_file(true), "talk.mp4: 1.34 MB were taken, no packet lost");
        assert!(of(received(2)).ends_with("packets lost 2 times (end of stream)"));
        let noise = of(Received { packets: 0, ..received(0) });
        assert!(noise.ends_with(": 1.34 MB, no MPEG transport stream (end of stream)"), "{noise}");
    }
}
