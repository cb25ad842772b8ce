//! Several decoders next to each other (`--jobs`), with the frames that one alone gives.

pub(crate) mod job;
pub(crate) mod merge;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod split;
