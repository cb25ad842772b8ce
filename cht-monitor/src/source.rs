//! The bytes that a player gets: live, or as they were recorded.

use std::{
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Instant,
};

use anyhow::Result;
use cht_core::{
    live::{Broadcast, Bytes, Feed, LeftOut, Limits, Summary, Wake},
    process::clock,
};
use rustix::event::{PollFd, PollFlags};

use crate::{
    status::{Losses, Status},
    stream::Recorded,
};

/// A stream for one player at a time.
pub(crate) enum Source {
    Live(Box<Live>),
    Recorded(Box<Recorded>),
}

/// A live stream: each player joins it anew.
pub(crate) struct Live {
    broadcast: Broadcast,
    wake: Wake,
    feed: Option<Feed>,
    /// Amount left out of the feed so far.
    left_out: LeftOut,
    status: Status,
    losses: Losses,
}

impl Live {
    pub(crate) fn new(broadcast: Broadcast, status: Status, losses: Losses) -> Result<Self> {
        let (wake, left_out) = (Wake::new()?, LeftOut::default());
        Ok(Self { broadcast, wake, feed: None, left_out, status, losses })
    }

    fn take(&mut self) -> Bytes {
        let now = clock::monotonic();
        let Self { broadcast, wake, feed, left_out, status, losses } = self;
        let feed = feed.get_or_insert_with(|| Feed::live(broadcast, Limits::PLAYER, wake, now));
        let bytes = feed.take(now);
        status.watch(Some(feed));
        losses.watch(left_out, feed.left_out(), now);
        bytes
    }

    /// Waits for more, or until `player` takes no more. Returns whether it still does.
    pub(crate) fn wait(&self, player: Option<BorrowedFd<'_>>) -> Result<bool> {
        let mut descriptors = vec![PollFd::new(&self.wake, PollFlags::IN)];
        // Without flags, the end of its reader is still told.
        descriptors.extend(player.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::empty())));
        clock::wait_ready(&mut descriptors, None)?;
        self.wake.clear();
        Ok(descriptors.get(1).is_none_or(|player| player.revents().is_empty()))
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.broadcast.has_ended()
    }

    /// Leaves the stream, until the next bytes are asked for.
    pub(crate) fn leave(&mut self) {
        (self.feed, self.left_out) = (None, LeftOut::default());
        self.status.watch(None);
    }

    /// Returns the next bytes: waits for them as long as `player` is there. `None` at the end of
    /// the stream or of the player.
    pub(crate) fn next(&mut self, player: Option<BorrowedFd<'_>>) -> Result<Option<Arc<[u8]>>> {
        loop {
            match self.take() {
                Bytes::Some(bytes) => return Ok(Some(bytes)),
                Bytes::None if self.wait(player)? => {}
                Bytes::None | Bytes::Ended => return Ok(None),
            }
        }
    }
}

impl Source {
    pub(crate) fn summary(&self) -> Summary {
        match self {
            Self::Live(live) => live.broadcast.summary(),
            Self::Recorded(recorded) => recorded.summary(),
        }
    }

    /// Returns whether the stream has ended.
    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Self::Live(live) => live.has_ended(),
            Self::Recorded(recorded) => recorded.has_ended(),
        }
    }

    /// Notes that the player was at `position` of its time, in seconds, at the time `at`.
    pub(crate) fn observe(&mut self, position: f64, at: Instant) {
        if let Self::Live(live) = self
            && let Some(feed) = &mut live.feed
        {
            feed.observe(position, at);
        }
    }

    /// Makes the next bytes begin at a keyframe, with its tables: another player gets them.
    pub(crate) fn begin_again(&mut self) {
        match self {
            Self::Live(live) => live.leave(),
            Self::Recorded(recorded) => recorded.begin_again(),
        }
    }

    /// Returns the next bytes; `None` at the end of the stream or of the player.
    pub(crate) fn next(&mut self, player: Option<&impl AsFd>) -> Result<Option<Arc<[u8]>>> {
        match self {
            Self::Live(live) => live.next(player.map(AsFd::as_fd)),
            Self::Recorded(recorded) => loop {
                match recorded.next()? {
                    Bytes::Some(bytes) => return Ok(Some(bytes)),
                    Bytes::None if player.is_none_or(|player| reads(player.as_fd())) => {}
                    Bytes::None | Bytes::Ended => return Ok(None),
                }
            },
        }
    }
}

/// Returns whether a pipe has a reader.
fn reads(pipe: BorrowedFd<'_>) -> bool {
    let mut descriptors = [PollFd::from_borrowed_fd(pipe, PollFlags::empty())];
    let now = Some(clock::monotonic());
    clock::wait_ready(&mut descriptors, now).is_ok() && descriptors[0].revents().is_empty()
}
