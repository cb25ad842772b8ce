//! A session shown live: followed as it grows, and handed to any number of viewers, each with a
//! bounded buffer of its own.
//!
//! A viewer begins with PAT, PMT and a keyframe. One that does not keep up gets the newest group of
//! pictures, whole, and no other viewer and no recorder waits for it. Nothing here knows of
//! players, sockets or terminals.
//!
//! In order, each using only those before it: `stamps`, `continuity`, `lateness`, `playout`,
//! `catch_up` (time stamps for a player), `piece`, `wake`, `queue` (one viewer), `selection`,
//! `splitter` (pieces of a stream), `start` (the place to begin), `tail` (a session), `broadcast`
//! (all viewers), `feed` (the bytes of one).

mod broadcast;
mod catch_up;
mod continuity;
mod feed;
mod lateness;
mod piece;
mod playout;
mod queue;
mod selection;
mod splitter;
mod stamps;
mod start;
mod tail;
mod wake;

pub use broadcast::{Broadcast, Taken, Viewer};
pub use catch_up::CatchUp;
pub use feed::{Bytes, Feed};
pub use piece::Piece;
pub use queue::{LeftOut, Limits, Next};
pub use selection::Wanted;
pub use splitter::Summary;
pub use start::{StartPoint, newest, newest_live};
pub use tail::{Step, Tail};
pub use wake::Wake;
