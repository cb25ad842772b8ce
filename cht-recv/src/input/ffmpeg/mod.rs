//! Inputs that ffmpeg opens: RTMP, SRT, RTSP, HLS, files and devices.
//!
//! `source` starts ffmpeg again and again. `process` is one run of it, which becomes a sender.
//! `input` knows ffmpeg's options for each protocol, `redact` and `url` the secrets that its
//! messages must not show, `messages` and `survey` the meaning of these messages.

pub(crate) mod input;
pub(crate) mod messages;
pub(crate) mod process;
pub(crate) mod redact;
pub(crate) mod source;
pub(crate) mod survey;
pub(crate) mod url;
