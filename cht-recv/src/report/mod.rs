//! Reports what the recorder does: events, heartbeats, Prometheus metrics, systemd.

pub(crate) mod counters;
pub(crate) mod events;
pub(crate) mod heartbeat;
pub(crate) mod metrics_server;
pub(crate) mod prometheus;
pub(crate) mod systemd;
