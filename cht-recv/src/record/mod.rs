//! The recording: where the bytes of a connection are cut, and the life of a segment on disk.
//!
//! `recorder` takes the bytes of connections, for one session after another (`session_files`).
//! `segmenter` decides where a segment ends, within the `limits`, and `output` writes up to there.
//! `finalizer` closes segments on a thread of its own, lists them in `playlist_file`, and lets
//! `retention` remove old ones. `recover` and `adopt` take in what an earlier recorder left, and
//! `remove` takes the folders of sessions away.
//!
//! Imports: `recorder` → `output` → `session_files` → `finalizer` → {`recover` → `adopt`,
//! `retention`} → {`playlist_file` → `playlist`, `remove`}. The folder uses `report` for
//! events. It uses nothing of `input`, and does not know where bytes come from.

pub(crate) mod adopt;
pub(crate) mod finalizer;
pub(crate) mod limits;
pub(crate) mod options;
pub(crate) mod output;
pub(crate) mod picture_starts;
pub(crate) mod playlist;
pub(crate) mod playlist_file;
pub(crate) mod recorder;
pub(crate) mod recover;
pub(crate) mod remove;
pub(crate) mod retention;
pub(crate) mod segmenter;
pub(crate) mod session_files;
