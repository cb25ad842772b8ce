//! Inputs: where senders come from, and the bytes of each.
//!
//! An input is a [`source::Source`], which lets in one [`sender::Sender`] at a time. `spec` tells
//! its kind from a URL, and `open` opens it: the one module that names all kinds. A new kind needs
//! its own module, a variant in `spec` and a line in `open`.
//!
//! Imports: `open` → the kinds (`tcp`, `unix`, `udp`, `stdin`, `ffmpeg`) → `listener` →
//! `candidates` → `sender`. Nothing here knows the recording. Of `report`, `ffmpeg` uses a list of
//! environment variables, and nothing else is used.

pub(crate) mod allow;
pub(crate) mod candidates;
pub(crate) mod ffmpeg;
pub(crate) mod foreign;
pub(crate) mod listener;
pub(crate) mod losses;
pub(crate) mod open;
pub(crate) mod options;
pub(crate) mod payload;
pub(crate) mod refusals;
pub(crate) mod rtp;
pub(crate) mod sender;
pub(crate) mod source;
pub(crate) mod spec;
pub(crate) mod stdin;
pub(crate) mod takeover;
pub(crate) mod tcp;
pub(crate) mod tcp_address;
pub(crate) mod tls;
pub(crate) mod udp;
pub(crate) mod udp_address;
pub(crate) mod unix;
