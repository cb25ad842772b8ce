//! The library that the cht tools share: events, sessions on disk, and running as a process.
//!
//! Tools depend on this crate and never on each other: they meet in events and files.
//! `ARCHITECTURE.md` has the map and the invariants.
//!
//! In order, each module using only those before it: [`subtitles`], [`fold`], [`event`],
//! [`process`], [`terminal`], [`ndjson`], [`mp4`], [`storage`], [`timeline`], [`session`],
//! [`segment`], [`stage`], [`live`], [`net`], [`http`], [`metrics`].

pub mod event;
pub mod fold;
pub mod http;
pub mod live;
pub mod metrics;
pub mod mp4;
pub mod ndjson;
pub mod net;
pub mod process;
pub mod segment;
pub mod session;
pub mod stage;
pub mod storage;
pub mod subtitles;
pub mod terminal;
pub mod timeline;
