//! Files of a session that this tool reads and writes: the journal of the index, and the state of
//! each reader.
//!
//! In order, each using only those before it: `ids` (sets of frame ids), `cursor` (a place in the
//! journal), `line` (one line of it), `journal` (reading it), `state` (what a reader has
//! acknowledged).

pub(crate) mod cursor;
pub(crate) mod ids;
pub(crate) mod journal;
pub(crate) mod line;
pub(crate) mod own;
pub(crate) mod state;
