//! A session on disk: its folder, the log of its segments, and reading both while they grow.

mod folder;
pub use self::folder::{
    MAX_SEQUENCE, Moved, PART, Session, SessionError, identity, is_same_folder, sequence,
};
pub mod live_segment;
mod moved;
pub mod natural_sort;
pub mod reader;
pub mod segment_log;
pub mod watch;
pub mod windows;
