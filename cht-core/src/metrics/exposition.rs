//! Metrics in the text format of Prometheus.
//!
//! The values are counted elsewhere, so an exposition lives no longer than the answer to one
//! request.

use jiff::Timestamp;
use prometheus::{CounterVec, GaugeVec, Opts, Registry, TextEncoder, core::Collector};

use crate::process::{cli, report};

pub use prometheus::Result;

/// Content type of [`Exposition::text`].
pub(super) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The metrics of a process at one moment.
#[derive(Debug)]
pub struct Exposition(Registry);

impl Exposition {
    /// Returns the metrics that each program has: when it was started, and from what it was built.
    /// A start later than the last one is a restart.
    pub fn of_process(started: Timestamp) -> Result<Self> {
        let exposition = Self(Registry::new());
        exposition.gauge(
            "process_start_time_seconds",
            "When the process was started, since the epoch.",
            seconds(started),
        )?;
        exposition.gauges(
            "cht_build_info",
            "Always 1; the labels say which program this is, and from what it was built.",
            ["program", "version", "commit"],
            [([report::stage(), cli::NUMBER, cli::COMMIT.unwrap_or_default()], 1.0)],
        )?;
        Ok(exposition)
    }

    /// Adds a counter.
    pub fn counter(&self, name: &str, help: &str, value: u64) -> Result<()> {
        self.counters(name, help, [], [([], value as f64)])
    }

    /// Adds a gauge.
    pub fn gauge(&self, name: &str, help: &str, value: f64) -> Result<()> {
        self.gauges(name, help, [], [([], value)])
    }

    /// Adds counters of one name, which differ in the values of `labels`.
    pub fn counters<'a, const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        series: impl IntoIterator<Item = ([&'a str; N], f64)>,
    ) -> Result<()> {
        let counters = CounterVec::new(Opts::new(name, help), &labels)?;
        for (values, value) in series {
            counters.get_metric_with_label_values(&values)?.inc_by(value);
        }
        self.add(counters)
    }

    /// Adds gauges of one name, which differ in the values of `labels`.
    pub fn gauges<'a, const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        series: impl IntoIterator<Item = ([&'a str; N], f64)>,
    ) -> Result<()> {
        let gauges = GaugeVec::new(Opts::new(name, help), &labels)?;
        for (values, value) in series {
            gauges.get_metric_with_label_values(&values)?.set(value);
        }
        self.add(gauges)
    }

    fn add(&self, collector: impl Collector + 'static) -> Result<()> {
        self.0.register(Box::new(collector))
    }

    /// Returns all metrics as text.
    pub fn text(&self) -> Result<String> {
        TextEncoder::new().encode_to_string(&self.0.gather())
    }
}

/// Returns a wall clock in seconds since the epoch, as gauges of times have it.
#[must_use]
pub fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped_and_whole_numbers_are_exact() {
        let exposition = Exposition::of_process("2026-11-23T00:00:00Z".parse().unwrap()).unwrap();
        exposition.counter("a_total", "A.", 1 << 53).unwrap();
        exposition.counters("b_total", "B.", ["code"], [(["a\"b\n"], 2.0)]).unwrap();
        exposition.gauges("c", "C.", ["stage"], []).unwrap();
        let text = exposition.text().unwrap();
        for line in [
            "# TYPE a_total counter",
            "a_total 9007199254740992",
            "b_total{code=\"a\\\"b\\n\"} 2",
            "process_start_time_seconds 1795392000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("# TYPE c "), "{text}");
    }
}
