//! The recorded stream of a session: its times, and its pictures.
//!
//! In order, each using only those before it: `time` (times that people and models write),
//! `pieces` (segments on the timeline), `units` (pictures in segments), `extract` (decoding one).

pub(crate) mod extract;
pub(crate) mod pieces;
pub(crate) mod time;
mod units;
