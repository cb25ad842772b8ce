//! `--metrics`: the counters for Prometheus.

use std::sync::Arc;

use cht_core::{
    metrics::{self, ServeError},
    process::clock,
};

use super::counters::Counters;

/// Serves the counters at `HOST:PORT`, as long as the process lives. Returns the URL.
pub(crate) fn serve(place: &str, counters: Arc<Counters>) -> Result<String, ServeError> {
    metrics::serve(place, "127.0.0.1:9444", move |exposition, now| {
        let snapshot = counters.snapshot(now);
        let errors = "Error events: see their codes.";
        exposition.counter("cht_recv_errors_total", errors, snapshot.errors)?;
        metrics::recv(exposition, &snapshot.stats(), clock::wall())
    })
}
