//! The state of the recorder for the outside: events on stdout, `stats`, Prometheus, and the
//! service manager.
//!
//! All threads count in `counters`. `events` writes on a thread of its own. `heartbeat` does the
//! duties of the main loop in each round, and `visits` tells people of senders. Nothing here waits
//! for its readers, and nothing here knows `input` or `record`.

pub(crate) mod counters;
pub(crate) mod events;
pub(crate) mod heartbeat;
pub(crate) mod metrics;
pub(crate) mod systemd;
mod visits;
