//! What waits for one viewer: bounded in bytes and in time, and shortened by whole groups of
//! pictures. Pure.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::piece::Piece;

/// Limits of what waits for a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Largest number of bytes.
    pub bytes: usize,
    /// Longest wait of a piece that is followed by a newer keyframe.
    pub wait: Duration,
}

/// Amount left out for a viewer that was too slow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Groups of pictures, whole ones or the rest of one.
    pub groups: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The next bytes of a viewer.
#[derive(Debug)]
pub struct Next {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Packets to send before them: the viewer begins here, or bytes were left out before them.
    pub tables: Option<Arc<[u8]>>,
    /// When they were read.
    pub arrived: Instant,
}

/// Queue of one viewer.
#[derive(Debug)]
pub(super) struct Queue {
    limits: Limits,
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// Whether the next piece begins anew, with its tables.
    joins: bool,
    /// Whether a piece was left out whose successors cannot be decoded without it.
    waits_for_entry: bool,
    left_out: LeftOut,
}

impl Queue {
    /// Returns a queue that begins with the first entry point pushed.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            pieces: VecDeque::new(),
            bytes: 0,
            joins: true,
            waits_for_entry: true,
            left_out: LeftOut::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Returns how long the first piece has waited.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let first = self.pieces.front();
        first.map_or(Duration::ZERO, |first| now.saturating_duration_since(first.arrived))
    }

    /// Returns the sum of all that was left out.
    pub(super) fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Appends a piece, unless it cannot be decoded without the pieces left out.
    pub(super) fn push(&mut self, piece: Piece) {
        if piece.entry.is_some() {
            self.waits_for_entry = false;
        } else if self.waits_for_entry {
            if !self.joins || self.left_out.groups > 0 {
                self.left_out.bytes += piece.bytes.len() as u64;
            }
            return;
        }
        let now = piece.arrived;
        self.bytes += piece.bytes.len();
        self.pieces.push_back(piece);
        if self.bytes > self.limits.bytes || self.wait(now) > self.limits.wait {
            self.skip();
        }
        if self.bytes > self.limits.bytes {
            // One group is larger than the limit.
            self.leave_out(self.pieces.len());
            self.waits_for_entry = true;
        }
    }

    /// Takes the next piece; of several groups the newest, if the first has waited too long.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Next> {
        if self.wait(now) > self.limits.wait {
            self.skip();
        }
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.bytes.len();
        let joins = std::mem::take(&mut self.joins);
        let tables = piece.entry.filter(|_| joins);
        Some(Next { bytes: piece.bytes, tables, arrived: piece.arrived })
    }

    /// Leaves out everything before the newest entry point.
    fn skip(&mut self) {
        let newest = self.pieces.iter().rposition(|piece| piece.entry.is_some());
        self.leave_out(newest.unwrap_or(0));
    }

    /// Leaves out the first `count` pieces.
    fn leave_out(&mut self, count: usize) {
        // The first may continue a group of which the viewer has the beginning.
        for (at, piece) in self.pieces.drain(..count).enumerate() {
            self.left_out.groups += u64::from(at == 0 || piece.entry.is_some());
            self.left_out.bytes += piece.bytes.len() as u64;
            self.bytes -= piece.bytes.len();
        }
        self.joins |= count > 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 100, wait: Duration::from_secs(1) };

    struct Viewer {
        queue: Queue,
        began: Instant,
    }

    impl Viewer {
        fn new() -> Self {
            let began = crate::process::clock::monotonic();
            Self { queue: Queue::new(LIMITS), began }
        }

        /// Pushes 20 bytes of this number; capital letters are entry points.
        fn push(&mut self, at: f64, names: &str) {
            let arrived = self.began + Duration::from_secs_f64(at);
            for name in names.bytes() {
                let entry = name.is_ascii_uppercase().then(|| Arc::from([b'*']));
                self.queue.push(Piece { bytes: Arc::from([name; 20]), entry, arrived });
            }
        }

        /// Takes all, as it would be sent.
        fn take(&mut self, at: f64) -> String {
            let now = self.began + Duration::from_secs_f64(at);
            let mut taken = String::new();
            while let Some(next) = self.queue.pop(now) {
                taken.extend(next.tables.iter().map(|tables| char::from(tables[0])));
                taken.push(char::from(next.bytes[0]));
            }
            taken
        }
    }

    #[test]
    fn viewer_begins_with_tables_and_entry_point() {
        let mut viewer = Viewer::new();
        viewer.push(0.0, "abCdEf");
        assert_eq!(viewer.take(0.1), "*CdEf");
        assert_eq!(viewer.queue.left_out(), LeftOut::default());
        viewer.push(0.2, "g");
        assert_eq!(viewer.take(0.3), "g");
        assert!(viewer.queue.is_empty());
    }

    #[test]
    fn full_queue_keeps_newest_group() {
        let mut viewer = Viewer::new();
        viewer.push(0.0, "Ab");
        assert_eq!(viewer.queue.pop(viewer.began).unwrap().bytes[0], b'A');
        viewer.push(0.0, "cDeFg");
        assert_eq!(viewer.take(0.5), "*Fg");
        assert_eq!(viewer.queue.left_out(), LeftOut { groups: 2, bytes: 80 });
    }

    #[test]
    fn group_larger_than_queue_is_left_out_to_its_end() {
        let mut viewer = Viewer::new();
        viewer.push(0.0, "Abcdefgh");
        assert_eq!(viewer.take(0.5), "");
        viewer.push(1.0, "ijKl");
        assert_eq!(viewer.take(1.5), "*Kl");
        assert_eq!(viewer.queue.left_out(), LeftOut { groups: 1, bytes: 200 });
    }

    #[test]
    fn group_that_waited_too_long_yields_to_newer_one_only() {
        let mut viewer = Viewer::new();
        viewer.push(0.0, "Ab");
        assert_eq!(viewer.take(9.0), "*Ab");
        viewer.push(10.0, "c");
        viewer.push(10.5, "Def");
        assert_eq!(viewer.take(11.1), "*Def");
        assert_eq!(viewer.queue.left_out(), LeftOut { groups: 1, bytes: 20 });
        // Nobody asks, and no more is kept all the same.
        viewer.push(20.0, "GhI");
        viewer.push(21.5, "j");
        assert_eq!(viewer.queue.bytes, 40);
    }
}
