//! Metrics for Prometheus: `GET /metrics`, on a thread of its own.
//!
//! In order, each using only those before it: `exposition` (the text format), `stats` (the metrics
//! of `stats` events), `server`.

mod exposition;
mod server;
mod stats;

pub use exposition::{Exposition, Result, seconds};
pub use server::{ServeError, serve};
pub use stats::{audio, recv, scenes};
