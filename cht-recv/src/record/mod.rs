//! Writes what was received: where segments are cut, how they are closed, recovered and removed.

pub(crate) mod adopt;
pub(crate) mod finalizer;
pub(crate) mod limits;
pub(crate) mod picture_starts;
pub(crate) mod playlist;
pub(crate) mod playlist_file;
pub(crate) mod recorder;
pub(crate) mod recover;
pub(crate) mod retention;
pub(crate) mod segmenter;
