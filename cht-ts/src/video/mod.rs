//! Reads H.264, HEVC and MPEG-2 video: where access units begin, which of them are access points, and what their parameter
//! sets say.

pub(crate) mod access;
pub(crate) mod idr;
pub(crate) mod nal;
pub(crate) mod orientation;
pub(crate) mod parameter_sets;
pub(crate) mod sps;
pub(crate) mod standalone;
