//! Runs ffmpeg as a decoder: builds its command and filters, feeds it bytes, and reads the frames
//! that it writes. A decoder knows one PID and one filter graph; it decides about no frame. This
//! folder imports `cht_detect`, `picture`, `track` and `input`; `feed`, `select`, `parallel` and
//! `cli` import it.

pub(crate) mod decoder;
pub(crate) mod ffmpeg_log;
pub(crate) mod filter;
pub(crate) mod frame;
pub(crate) mod frames;
pub(crate) mod graph;
pub(crate) mod hwaccel;
pub(crate) mod job;
pub(crate) mod jobs;
pub(crate) mod message;
pub(crate) mod mode;
pub(crate) mod pause;
pub(crate) mod pipes;
