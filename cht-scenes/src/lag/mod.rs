//! Measures how far decoding is behind the stream, and catches up.

pub(crate) mod catch_up;
pub(crate) mod tracker;
