//! Examines finished segments: their streams, times and damage, from the file or from a cache.

mod cache;
mod clock;
mod examine;
pub use self::examine::{Cache, Contents, Examiner, damage, examine_alone, oddities, scan};
mod scanned;
mod which;
pub use self::which::Which;
pub use crate::session::SegmentError;
