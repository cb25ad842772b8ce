//! Where senders come from: sockets, pipes, and inputs that ffmpeg opens.

pub(crate) mod address;
pub(crate) mod allow;
pub(crate) mod candidates;
pub(crate) mod ffmpeg;
pub(crate) mod foreign;
pub(crate) mod listener;
pub(crate) mod losses;
pub(crate) mod rtp;
pub(crate) mod sender;
pub(crate) mod source;
pub(crate) mod spec;
pub(crate) mod stdin;
pub(crate) mod takeover;
pub(crate) mod tcp;
pub(crate) mod tls;
pub(crate) mod udp;
pub(crate) mod udp_address;
pub(crate) mod unix;
