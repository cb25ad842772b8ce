//! Pieces on disk. `entry` has the lines of the journal, `journal` reads and writes it, `file`
//! makes the files, `writer` writes a piece and emits its event, `follower` takes the frames of a
//! run and cuts them.

pub(crate) mod entry;
pub(crate) mod file;
pub(crate) mod follower;
pub(crate) mod journal;
pub(crate) mod writer;
