//! Inputs that ffmpeg opens: RTMP, SRT, RTSP, HLS, files and devices.

pub(crate) mod die_with_parent;
pub(crate) mod input;
pub(crate) mod messages;
pub(crate) mod process;
pub(crate) mod redact;
pub(crate) mod source;
pub(crate) mod survey;
