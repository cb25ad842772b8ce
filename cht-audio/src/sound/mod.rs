//! Samples in, pieces out. Pure.
//!
//! In order, each using only those before it: `wav`, `convolve`, `ratio`, `taps`, `resample`,
//! `speech`, `level`, `cut`, `line`, `stretch`, `pieces`.

mod convolve;
pub(crate) mod cut;
mod level;
pub(crate) mod line;
pub(crate) mod pieces;
mod ratio;
pub(crate) mod resample;
pub(crate) mod speech;
pub(crate) mod stretch;
mod taps;
pub(crate) mod wav;
