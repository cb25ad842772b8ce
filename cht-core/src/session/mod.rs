//! A session on disk: its folder, the log of its segments, and reading both while they grow.
//!
//! In order, each using only those before it: `natural_sort`, `moved`, `position`, `watch`,
//! `folder` ([`Session`]), `segment_log`, `segment_error`, `live_segment`, `finished_segment`,
//! `reader`.

mod folder;
pub use self::folder::{MAX_SEQUENCE, PART, Session, SessionError, sequence};
pub mod finished_segment;
pub mod live_segment;
mod moved;
pub use self::moved::{Moved, identity, is_same_folder};
pub mod natural_sort;
mod position;
pub mod reader;
pub use self::position::Position;
mod segment_error;
pub use self::segment_error::SegmentError;
pub mod segment_log;
pub mod watch;
