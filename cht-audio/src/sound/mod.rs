//! Samples in, pieces out. Pure.
//!
//! In order, each using only those before it: `wav`, `resample`, `speech`, `cut`, `line`,
//! `stretch`, `pieces`.

pub(crate) mod cut;
pub(crate) mod line;
pub(crate) mod pieces;
pub(crate) mod resample;
pub(crate) mod speech;
pub(crate) mod stretch;
pub(crate) mod wav;
