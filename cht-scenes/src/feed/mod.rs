//! Feeds segments to decoders, finished ones and the one that is still growing. `feeder` holds the
//! state, its child modules feed the segments of each kind, and `run` and `engine` hold the decoder
//! that runs.
//!
//! A **run** is one decoder over consecutive segments. It ends where the clock of the stream, its
//! video PID, the folder of the segments or that of the frames changes, and where the decoder
//! fails. `stage` imports this folder; it imports `select`, `parallel`, `decode`, `track`, `lag`
//! and `input`.

pub(crate) mod engine;
pub(crate) mod feeder;
pub(crate) mod folder;
pub(crate) mod indexed;
pub(crate) mod preroll;
pub(crate) mod prescan;
pub(crate) mod run;
