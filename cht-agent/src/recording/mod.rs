//! The recorded stream of a session: its times, and its pictures.
//!
//! In order, each using only those before it: `time` (times that people and models write),
//! `pieces` (segments on the timeline), `extract` (decoding a picture).

pub(crate) mod extract;
pub(crate) mod pieces;
pub(crate) mod time;
