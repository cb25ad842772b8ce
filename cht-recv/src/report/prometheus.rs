//! `--metrics`: a [`Snapshot`] in the text format of Prometheus.

use cht_core::process::clock;
use prometheus::{
    Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry, Result, TextEncoder,
    core::Collector,
};

use super::counters::Snapshot;

/// Content type of [`exposition`].
pub(crate) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// Returns the metrics as text. The values are counted elsewhere, so the registry lives no longer
/// than this call.
pub(crate) fn exposition(counters: &Snapshot) -> Result<String> {
    let registry = Registry::new();
    let add = |collector: Box<dyn Collector>| registry.register(collector);
    let counter = |name, help, value| {
        let counter = IntCounter::new(name, help)?;
        counter.inc_by(value);
        add(Box::new(counter))
    };
    let gauge = |name, help, value: u64| {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        add(Box::new(gauge))
    };
    gauge("cht_recv_connected", "Whether a sender is connected.", counters.connected.into())?;
    counter("cht_recv_connections_total", "Connections so far.", counters.connections)?;
    counter("cht_recv_received_bytes_total", "Bytes received.", counters.bytes)?;
    counter("cht_recv_received_packets_total", "Transport packets received.", counters.packets)?;
    let segments = "Segments that got their final name.";
    counter("cht_recv_segments_closed_total", segments, counters.segments)?;
    counter("cht_recv_errors_total", "Error events: see their codes.", counters.errors)?;
    let left_out = "Events left out because the reader of stdout had stalled.";
    counter("cht_recv_events_left_out_total", left_out, counters.left_out)?;
    if let Some(free) = counters.free_disk {
        let help = "Bytes that are free for cht-recv where the sessions are.";
        gauge("cht_recv_free_disk_bytes", help, free)?;
    }
    if let Some(idle) = counters.idle {
        let last = Gauge::new(
            "cht_recv_last_byte_timestamp_seconds",
            "When the last byte was received, since the epoch.",
        )?;
        let now = clock::wall().as_duration().as_secs_f64();
        last.set(now - idle.as_secs_f64());
        add(Box::new(last))?;
    }
    let gaps = IntCounterVec::new(
        Opts::new(
            "cht_recv_continuity_errors_total",
            "Gaps in continuity counters; pid=\"other\" is whatever has no place among the first 64.",
        ),
        &["pid"],
    )?;
    for (pid, count) in &counters.gaps.by_pid {
        gaps.with_label_values(&[format!("0x{pid:04x}")]).inc_by(*count);
    }
    gaps.with_label_values(&["other"]).inc_by(counters.gaps.others);
    add(Box::new(gaps))?;
    TextEncoder::new().encode_to_string(&registry.gather())
}

#[cfg(test)]
mod tests {
    use super::super::counters::Counters;
    use super::*;
    use crate::received::Seen;

    #[test]
    fn each_counter_has_line() {
        let start = clock::monotonic();
        let counters = Counters::new(".".into(), start);
        counters.connected();
        let seen = Seen { packets: 7, listed: vec![257], gaps: vec![256], strays: 0 };
        counters.received(1316, &seen, start);
        let text = exposition(&counters.snapshot(start)).unwrap();
        for line in [
            "cht_recv_connected 1",
            "# TYPE cht_recv_received_bytes_total counter",
            "cht_recv_received_bytes_total 1316",
            "cht_recv_received_packets_total 7",
            "cht_recv_continuity_errors_total{pid=\"0x0100\"} 1",
            "cht_recv_continuity_errors_total{pid=\"0x0101\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
