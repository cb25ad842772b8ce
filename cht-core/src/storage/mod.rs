//! Writes and reads files that survive kills, full disks and crashes.

pub mod beneath;
pub mod disk_error;
pub mod draft;
pub mod durable;
pub mod journal;
pub mod patience;
pub mod regular;
