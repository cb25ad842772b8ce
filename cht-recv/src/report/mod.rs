//! How the recorder is doing: events on stdout, `stats`, Prometheus, and the service manager.
//!
//! All threads count in `counters`; `events` writes on a thread of its own; `heartbeat` does what the main loop owes the
//! outside in each round. Nothing here waits for its readers, and nothing here knows of `input` or `record`.

pub(crate) mod counters;
pub(crate) mod events;
pub(crate) mod heartbeat;
pub(crate) mod metrics_server;
pub(crate) mod prometheus;
pub(crate) mod systemd;
