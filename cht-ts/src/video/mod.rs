//! Reads video: where access units begin, at which of them decoding can begin, and what their
//! parameter sets say.
//!
//! In order, each using only those before it: `bits`, `nal` (emulation prevention), `coding`,
//! `sps`, `parameter_sets`, `access` (access points), `idr`, `standalone` (keyframes without a
//! past), `orientation`.

pub(crate) mod access;
pub(crate) mod bits;
pub(crate) mod coding;
pub(crate) mod idr;
pub(crate) mod nal;
pub(crate) mod orientation;
pub(crate) mod parameter_sets;
pub(crate) mod sei;
pub(crate) mod sps;
pub(crate) mod standalone;
