//! Takes streams apart for a decoder: one PID, whole access units, the keyframes of a GOP, an end
//! for the last picture.
//!
//! In order, each using only those before it: `stamps`, `single` (one PID), `pmt`, `program`,
//! `unit` (access units), `gop_survey`, `gop_filter`, `completion` (parameter sets), `delimiter`.

pub(crate) mod completion;
pub(crate) mod delimiter;
pub(crate) mod gop_filter;
pub(crate) mod gop_survey;
mod pmt;
pub(crate) mod program;
pub(crate) mod single;
pub(crate) mod stamps;
pub(crate) mod unit;
