//! The recording: where the bytes of a connection are cut, and the life of a segment on disk.
//!
//! `recorder` takes the bytes of one session's connections, `segmenter` says where they are cut, and `finalizer` closes
//! segments on a thread of its own, with `playlist_file` and `retention`. `recover` and `adopt` bring in what an earlier
//! recorder left.
//!
//! Imports: `recorder` → `finalizer` → {`recover` → `adopt`, `retention`} → `playlist_file` → `playlist`. The folder uses
//! `report` for events and nothing of `input`: it does not know where bytes come from.

pub(crate) mod adopt;
pub(crate) mod finalizer;
pub(crate) mod limits;
pub(crate) mod options;
pub(crate) mod picture_starts;
pub(crate) mod playlist;
pub(crate) mod playlist_file;
pub(crate) mod recorder;
pub(crate) mod recover;
pub(crate) mod retention;
pub(crate) mod segmenter;
