//! What cht-scenes measures in pictures, and what its detectors make of the measures: functions without I/O.
//!
//! [`measure`] turns the luma of each frame into a few numbers; [`detect`] decides on nothing but these numbers, so that a
//! decision can be taken again without decoding. `docs/scenes.md` has the formulas.

pub mod detect;
pub mod measure;
