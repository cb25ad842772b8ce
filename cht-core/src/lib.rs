//! What the cht tools share: the event contract, NDJSON, sessions on disk, time, MPEG-TS, reading
//! a session that grows, and running ffmpeg.
//!
//! Tools depend on this crate and never on each other: they meet in events and files.
//! `ARCHITECTURE.md` has the map and the invariants.

pub mod cli;
pub mod clock;
pub mod disk;
pub mod durable;
pub mod event;
pub mod exit;
pub mod ffmpeg;
pub mod growing;
pub mod journal;
pub mod natural;
pub mod ndjson;
pub mod reader;
pub mod record;
pub mod regular;
pub mod report;
pub mod segment;
pub mod session;
pub mod signals;
pub mod timeline;
pub mod watch;
pub mod windows;
