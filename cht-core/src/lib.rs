//! What the cht tools share: the event contract, NDJSON, sessions on disk, time, MPEG-TS, reading
//! a session that grows, and running ffmpeg.
//!
//! Tools depend on this crate and never on each other: they meet in events and files.
//! `ARCHITECTURE.md` has the map and the invariants.

pub mod event;
pub mod ndjson;
pub mod process;
pub mod segment;
pub mod session;
pub mod storage;
pub mod timeline;
