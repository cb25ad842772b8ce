//! Hands the pieces of one stream to any number of viewers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{
    piece::Piece,
    queue::{LeftOut, Limits, Next, Queue},
    splitter::Summary,
    wake::Wake,
};
use crate::process::lock::lock;

/// Largest number of bytes that are kept for viewers that join: a longer group of pictures is not,
/// and they wait for the next keyframe.
const JOIN_BYTES: usize = 32 << 20;

/// A stream with its viewers. Clones are handles to the same.
#[derive(Debug, Clone, Default)]
pub struct Broadcast(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// The current group of pictures, for viewers that join.
    group: Vec<Piece>,
    group_bytes: usize,
    viewers: Vec<Seat>,
    next_id: u64,
    summary: Summary,
    has_ended: bool,
}

/// The place of a viewer.
#[derive(Debug)]
struct Seat {
    id: u64,
    queue: Queue,
    wake: Wake,
    /// Whether the viewer has found nothing when it asked last.
    is_idle: bool,
}

/// One viewer's end of a broadcast. Dropping it leaves the broadcast.
#[derive(Debug)]
pub struct Viewer {
    broadcast: Broadcast,
    id: u64,
}

impl Broadcast {
    /// Hands a piece to all viewers. Never waits for one.
    pub fn publish(&self, piece: &Piece, summary: Summary) {
        let mut state = lock(&self.0);
        state.summary = summary;
        if piece.entry.is_some() {
            state.group.clear();
            state.group_bytes = 0;
        }
        if piece.entry.is_some() || !state.group.is_empty() {
            state.group_bytes += piece.bytes.len();
            state.group.push(piece.clone());
        }
        if state.group_bytes > JOIN_BYTES {
            state.group.clear();
        }
        for seat in &mut state.viewers {
            seat.queue.push(piece.clone());
            seat.wake.wake();
        }
    }

    /// Ends the stream: viewers take what waits for them, and then its end.
    pub fn end(&self) {
        let mut state = lock(&self.0);
        state.has_ended = true;
        state.viewers.iter().for_each(|seat| seat.wake.wake());
    }

    /// Returns the stream's format and totals so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        lock(&self.0).summary
    }

    /// Tells whether the stream has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        lock(&self.0).has_ended
    }

    /// Returns how long the oldest bytes have waited for a viewer.
    #[must_use]
    pub fn longest_wait(&self, now: Instant) -> Duration {
        let state = lock(&self.0);
        state.viewers.iter().map(|seat| seat.queue.wait(now)).max().unwrap_or_default()
    }

    /// Tells whether there is a viewer.
    #[must_use]
    pub fn has_viewers(&self) -> bool {
        !lock(&self.0).viewers.is_empty()
    }

    /// Tells whether every viewer has used all that there was.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        lock(&self.0).viewers.iter().all(|seat| seat.is_idle)
    }

    /// Adds a viewer, which begins with the newest keyframe. `wake` is woken whenever there is
    /// something for it.
    #[must_use]
    pub fn join(&self, limits: Limits, wake: &Wake, now: Instant) -> Viewer {
        let mut state = lock(&self.0);
        let mut queue = Queue::new(limits);
        for piece in &state.group {
            queue.push(Piece { arrived: now, ..piece.clone() });
        }
        let id = state.next_id;
        state.next_id += 1;
        state.viewers.push(Seat { id, queue, wake: wake.clone(), is_idle: false });
        wake.wake();
        Viewer { broadcast: self.clone(), id }
    }
}

/// Result of asking for the next bytes.
#[derive(Debug)]
pub enum Taken {
    /// The next bytes, and whether nothing waits after them.
    Next(Next, bool),
    /// Nothing yet.
    Nothing,
    /// The stream has ended.
    Ended,
}

impl Viewer {
    /// Takes the next bytes.
    #[must_use]
    pub fn take(&self, now: Instant) -> Taken {
        let mut state = lock(&self.broadcast.0);
        let has_ended = state.has_ended;
        let seat = state.viewers.iter_mut().find(|seat| seat.id == self.id);
        let next = seat.and_then(|seat| {
            let next = seat.queue.pop(now);
            seat.is_idle = next.is_none();
            Some((next?, seat.queue.is_empty()))
        });
        match next {
            Some((next, is_last)) => Taken::Next(next, is_last),
            None if has_ended => Taken::Ended,
            None => Taken::Nothing,
        }
    }

    /// Returns the sum of all that was left out for this viewer.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        let state = lock(&self.broadcast.0);
        let seat = state.viewers.iter().find(|seat| seat.id == self.id);
        seat.map_or(LeftOut::default(), |seat| seat.queue.left_out())
    }

    /// Returns the broadcast.
    #[must_use]
    pub fn broadcast(&self) -> &Broadcast {
        &self.broadcast
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        lock(&self.broadcast.0).viewers.retain(|seat| seat.id != self.id);
    }
}

impl Limits {
    /// Limits of a player on this machine.
    pub const PLAYER: Self = Self { bytes: 32 << 20, wait: Duration::from_secs(1) };
    /// Limits of a viewer on a network, which pauses now and then.
    pub const NETWORK: Self = Self { bytes: 32 << 20, wait: Duration::from_secs(5) };
}
