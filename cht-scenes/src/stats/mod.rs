//! Counts what happened, and emits `stats` events.

pub(crate) mod counters;
mod summary;
