//! Runs ffmpeg as a decoder: its input, its filters, and the frames that it writes.

pub(crate) mod decoder;
pub(crate) mod ffmpeg_log;
pub(crate) mod filter;
pub(crate) mod frame;
pub(crate) mod frames;
pub(crate) mod graph;
pub(crate) mod hwaccel;
pub(crate) mod job;
pub(crate) mod message;
pub(crate) mod mode;
pub(crate) mod pause;
pub(crate) mod pipes;
