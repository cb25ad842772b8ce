//! A session on disk: its folder, the log of its segments, and reading both while they grow.
//!
//! In order, each using only those before it: `natural_sort`, `names`, `moved`, [`pattern`],
//! `position`, `watch`,
//! `folder` ([`Session`]), `segment_log`, `segment_error`, `live_segment`, `finished_segment`,
//! `reader`, `pictures`, [`marks`].

mod folder;
pub use self::folder::{
    INDEX_JOURNAL, MAX_SEQUENCE, PART, Session, SessionError, is_removed, sequence,
};
pub mod finished_segment;
pub mod live_segment;
pub mod marks;
mod moved;
pub use self::moved::{Moved, identity, is_same_folder};
pub mod names;
pub mod natural_sort;
pub mod pattern;
pub mod pictures;
mod position;
pub mod reader;
pub use self::position::Position;
mod segment_error;
pub use self::segment_error::SegmentError;
pub mod segment_log;
pub mod watch;
