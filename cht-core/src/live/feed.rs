//! A viewer's bytes: those of the stream, rewritten so that a player stays live.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    broadcast::{Broadcast, Taken, Viewer},
    catch_up::CatchUp,
    queue::{LeftOut, Limits},
    wake::Wake,
};

/// Longest time that a piece waits for a player before the player has to catch up.
const LATE: Duration = Duration::from_secs(1);

/// The bytes of one viewer, live.
#[derive(Debug)]
pub struct Feed {
    viewer: Viewer,
    /// `None` if the bytes are to stay as they were recorded.
    catch_up: Option<CatchUp>,
    is_recorded: bool,
    /// How long the last bytes had waited for this viewer, and how late it plays them.
    waited: Duration,
    lateness: Duration,
}

/// The next bytes of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// These; there may be none of them.
    Some(Arc<[u8]>),
    /// Nothing yet.
    None,
    /// The stream has ended.
    Ended,
}

impl Feed {
    /// Joins a broadcast, with time stamps rewritten for a player ([`CatchUp`]).
    #[must_use]
    pub fn live(broadcast: &Broadcast, limits: Limits, wake: &Wake, now: Instant) -> Self {
        let viewer = broadcast.join(limits, wake, now);
        Self {
            viewer,
            catch_up: None,
            is_recorded: false,
            waited: Duration::ZERO,
            lateness: Duration::ZERO,
        }
    }

    /// Joins a broadcast, bit for bit.
    #[must_use]
    pub fn recorded(broadcast: &Broadcast, limits: Limits, wake: &Wake, now: Instant) -> Self {
        Self { is_recorded: true, ..Self::live(broadcast, limits, wake, now) }
    }

    /// Takes the next bytes.
    pub fn take(&mut self, now: Instant) -> Bytes {
        let (next, is_last) = match self.viewer.take(now) {
            Taken::Next(next, is_last) => (next, is_last),
            Taken::Nothing => return Bytes::None,
            Taken::Ended => return self.end(),
        };
        let late = now.saturating_duration_since(next.arrived);
        self.waited = late;
        if self.is_recorded {
            self.lateness = late;
            return Bytes::Some(match next.tables {
                Some(tables) => [&*tables, &*next.bytes].concat().into(),
                None => next.bytes,
            });
        }
        let has_video = || self.viewer.broadcast().summary().video.is_some();
        let catch_up = self.catch_up.get_or_insert_with(|| {
            if has_video() { CatchUp::new(now) } else { CatchUp::of_sound(now) }
        });
        let mut out = Vec::with_capacity(next.bytes.len());
        if let Some(tables) = next.tables {
            catch_up.rejoin(&tables, now, &mut out);
        } else if late > LATE {
            catch_up.hurry();
        }
        catch_up.push(&next.bytes, now, is_last, &mut out);
        self.lateness = late + catch_up.backlog(now);
        Bytes::Some(out.into())
    }

    /// Notes that the player was at `position` of its time, in seconds, at the time `at`.
    pub fn observe(&mut self, position: f64, at: Instant) {
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.observe(position, at, self.waited);
        }
    }

    /// Returns how far this viewer is behind the stream, by what it has taken.
    #[must_use]
    pub fn behind(&self) -> Duration {
        self.lateness
    }

    /// Returns the sum of all that was left out for this viewer.
    #[must_use]
    pub fn left_out(&self) -> LeftOut {
        self.viewer.left_out()
    }

    /// Hands out an incomplete last packet, once.
    fn end(&mut self) -> Bytes {
        let mut rest = Vec::new();
        if let Some(catch_up) = &mut self.catch_up {
            catch_up.finish(&mut rest);
        }
        if rest.is_empty() { Bytes::Ended } else { Bytes::Some(rest.into()) }
    }
}
