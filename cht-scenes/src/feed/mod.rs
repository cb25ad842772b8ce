//! Feeds segments to decoders, finished ones and the one that is still growing.

pub(crate) mod engine;
pub(crate) mod feeder;
pub(crate) mod indexed;
pub(crate) mod live;
pub(crate) mod preroll;
pub(crate) mod prescan;
pub(crate) mod refused;
pub(crate) mod run;
pub(crate) mod undone;
