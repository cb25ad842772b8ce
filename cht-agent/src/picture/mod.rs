//! Pictures for a model: cut, and no larger than it uses.
//!
//! In order, each using only those before it: `size` (how large), `fit` (made by ffmpeg).

pub(crate) mod fit;
pub(crate) mod size;
